"""Lanes are lent to one caller each, and opened when those that there are don't come back soon."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from klusterkit.hosts import lanes as module
from klusterkit.hosts.errors import TooManySessions
from klusterkit.hosts.lane import Lane
from klusterkit.hosts.lanes import LONG, MOST, Lanes


class _Lane:
    broken = False

    def close(self) -> None:
        """Nothing is open."""


class _Host:
    """One that gives so many sessions to a connection."""

    def __init__(self, most: int = 10) -> None:
        self.opened = 0
        self._most = most
        self._lock = threading.Lock()

    def open(self) -> Lane:
        with self._lock:
            if self.opened == self._most:
                raise TooManySessions("no more", host="m1")
            self.opened += 1
        return cast(Lane, _Lane())


def used_by(callers: int, lanes: Lanes, *, long: bool = False) -> int:
    """How many of so many callers have a lane at the same time, when none gives it back at once."""
    together, most, now = threading.Condition(), 0, 0

    def call() -> None:
        nonlocal most, now
        with lanes.borrow(long=long), together:
            now += 1
            most = max(most, now)
            together.notify_all()
            together.wait(timeout=2)
            now -= 1

    with ThreadPoolExecutor(callers) as pool:
        for each in [pool.submit(call) for _ in range(callers)]:
            each.result()
    return most


def test_calls_that_are_soon_over_share_one_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOON", 60.0)
    host = _Host()
    lanes = Lanes(host.open)

    def call() -> None:
        for _ in range(20):
            with lanes.borrow(long=False):
                pass

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(call) for _ in range(8)]:
            each.result()
    assert host.opened == 1


def test_calls_that_take_long_get_lanes_of_their_own_up_to_a_bound() -> None:
    host = _Host()
    assert used_by(3, Lanes(host.open)) > 1
    lanes = Lanes(host.open)
    assert used_by(4 * MOST, lanes) <= MOST
    assert used_by(4 * MOST, lanes, long=True) <= LONG


def test_a_host_that_gives_fewer_sessions_is_worked_with_by_those() -> None:
    host = _Host(most=2)
    assert used_by(6, Lanes(host.open)) <= 2
    assert host.opened == 2
