"""Time on simulated hosts: it passes when somebody sleeps, not by itself, so that an hour's test takes no time."""

from __future__ import annotations

import threading
import time


class Clock:
    """A clock that sleepers move. One clock may serve many hosts and threads.

    Args:
        start: seconds since the epoch.
        factor: real seconds per simulated second. 0 never waits; with any other value time passes by itself, too,
            and sleeping takes that long.
    """

    def __init__(self, start: float = 1_800_000_000.0, *, factor: float = 0.0) -> None:
        self._now = start
        self._factor = factor
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def now(self) -> float:
        """Seconds since the epoch."""
        passed = (time.monotonic() - self._began) / self._factor if self._factor else 0.0
        return self._now + passed

    def sleep(self, seconds: float) -> None:
        """Let time pass. Those who sleep at once sleep side by side, not one after the other."""
        self.sleep_until(self.now() + seconds)

    def sleep_until(self, moment: float) -> None:
        """Let time pass until then."""
        if self._factor:
            time.sleep(max(0.0, moment - self.now()) * self._factor)
            return
        with self._lock:
            self._now = max(self._now, moment)

    def advance(self, seconds: float) -> None:
        """Move the clock on at once."""
        with self._lock:
            self._now += seconds
