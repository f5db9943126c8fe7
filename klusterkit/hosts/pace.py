"""A limit on what is sent to all hosts together, so that others who use the link can go on with their work."""

from __future__ import annotations

import threading
import time

BURST = 0.25
"""Seconds' worth of bytes that may go at once after a pause."""


class Pace:
    """So many bytes a second. Thread-safe: whoever sends asks before.

    Args:
        rate: bytes a second; None for no limit.
    """

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def seconds(self, size: int) -> float:
        """Seconds that so many bytes take at this pace alone."""
        return size / self._rate if self._rate else 0.0

    def wait(self, size: int) -> None:
        """Wait until so many bytes may be sent."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(self._free_at, now - BURST)
            self._free_at = turn + size / self._rate
        time.sleep(max(0.0, turn - now))
