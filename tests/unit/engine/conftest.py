from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.engine.bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Hosts on which every verb of every task can be scripted; whatever still hangs at the end is let go."""
    made = Bench()
    yield made
    made.settle()
