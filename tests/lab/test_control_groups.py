"""Control groups of hosts that come and go side by side."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import pytest
from kklab.hosts.cgroup import MOUNT, PARENT, Group

pytestmark = pytest.mark.hosts

INSTANCE = f"groups-{os.getpid()}"


@pytest.fixture
def emptied() -> Iterator[None]:
    """Somebody takes the instance's groups away whenever none is in them, as a host that ends does."""
    over = threading.Event()
    above = [hierarchy / PARENT / INSTANCE for hierarchy in MOUNT.iterdir()]

    def empty() -> None:
        while not over.is_set():
            for folder in above:
                with contextlib.suppress(OSError):
                    folder.rmdir()

    others = threading.Thread(target=empty)
    others.start()
    yield
    over.set()
    others.join()


@pytest.mark.usefixtures("emptied")
def test_a_host_gets_its_groups_while_those_beside_it_go() -> None:
    group = Group(INSTANCE, "m1")
    for _ in range(200):
        try:
            assert all(folder.is_dir() for folder in group.create())
        finally:
            group.remove()
