"""The lanes of one connection, lent to one caller each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from klusterkit.hosts.errors import TooManySessions
from klusterkit.hosts.lane import Lane

MOST = 6
"""Lanes of one connection. sshd gives a connection ten sessions by default (``MaxSessions``)."""
SOON = 0.03
"""Seconds that a caller waits for a lane that another has before one more is opened, which takes about as long: many
short calls are faster through one lane than through six, and cost the host less.
"""
LONG = 4
"""So many of them may be taken by calls that can take long: there is always one for those that can't."""


class Lanes:
    """Opens lanes as they are needed, and keeps them.

    Args:
        open_lane: opens one. Raises ``TooManySessions`` where the host allows no more.
    """

    def __init__(self, open_lane: Callable[[], Lane]) -> None:
        self._open_lane = open_lane
        self._free = threading.Condition()
        self._idle: list[Lane] = []
        self._busy: set[Lane] = set()
        self._opening = 0
        self._most = MOST
        self._long = 0

    @contextmanager
    def borrow(self, *, long: bool) -> Generator[Lane]:
        """A lane for one call. One that comes back broken is closed."""
        if long:
            self._await_long()
        try:
            lane = self._take()
            try:
                yield lane
            finally:
                self._give_back(lane)
        finally:
            if long:
                with self._free:
                    self._long -= 1
                    self._free.notify_all()

    def spare(self) -> Lane | None:
        """One that nobody has, to keep: it is no longer of these."""
        with self._free:
            return self._idle.pop() if self._idle else None

    def close(self) -> None:
        """Close those that nobody has; the others break by themselves when the connection ends."""
        with self._free:
            idle, self._idle = self._idle, []
        for lane in idle:
            lane.close()

    def _await_long(self) -> None:
        with self._free:
            self._free.wait_for(lambda: self._long < min(LONG, max(1, self._most - 1)))
            self._long += 1

    def _take(self) -> Lane:
        while True:
            with self._free:
                if self._busy or self._opening:
                    self._free.wait_for(lambda: self._idle, SOON)
                self._free.wait_for(lambda: self._idle or len(self._busy) + self._opening < self._most)
                if self._idle:
                    lane = self._idle.pop()
                    self._busy.add(lane)
                    return lane
                self._opening += 1
            if lane := self._opened():
                return lane

    def _opened(self) -> Lane | None:
        lane = None
        try:
            lane = self._open_lane()
        except TooManySessions:
            with self._free:
                others = len(self._busy) + len(self._idle) + self._opening - 1
                if not others:
                    raise
                self._most = min(self._most, others)
        finally:
            with self._free:
                self._opening -= 1
                if lane is not None:
                    self._busy.add(lane)
                self._free.notify_all()
        return lane

    def _give_back(self, lane: Lane) -> None:
        with self._free:
            self._busy.discard(lane)
            if not lane.broken:
                self._idle.append(lane)
            self._free.notify_all()
        if lane.broken:
            lane.close()
