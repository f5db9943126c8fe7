from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.unit.engine.bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Hosts on which every verb of every task can be scripted; whatever still hangs at the end is let go."""
    before = set(threading.enumerate())
    made = Bench()
    yield made
    made.released.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()
