"""What is being done, how far, how long still: on stderr, live on a terminal, in lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Generator

LINES_EVERY = 20.0


def say(text: str) -> None:
    """One line for the person who waits."""
    print(text, file=sys.stderr, flush=True)


def span(seconds: float) -> str:
    """A duration as a person says it: `45 s`, `12 min`."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


class Progress:
    """Progress through steps whose usual durations are known.

    The estimate of what is left is scaled by how this machine did so far against the usual.

    Args:
        usual: usual duration of each step in seconds, by name, in order.
    """

    def __init__(self, usual: dict[str, float]) -> None:
        self._left = dict(usual)
        self._count = len(usual)
        self._spent = 0.0
        self._expected = 0.0

    @contextlib.contextmanager
    def step(self, name: str, doing: str = "") -> Generator[None]:
        """Show one step for as long as the block runs."""
        usual = self._left.pop(name)
        place = f"[{self._count - len(self._left)}/{self._count}] {name}" + (f": {doing}" if doing else "")
        began = time.monotonic()
        ended = threading.Event()
        shower = threading.Thread(target=self._show, args=(place, usual, began, ended), daemon=True)
        shower.start()
        try:
            yield
        finally:
            ended.set()
            shower.join()
        took = time.monotonic() - began
        self._spent += took
        self._expected += usual
        say(f"{place}: done in {span(took)}")

    def skip(self, name: str, why: str) -> None:
        """Say that a step isn't needed."""
        self._left.pop(name)
        say(f"[{self._count - len(self._left)}/{self._count}] {name}: {why}")

    def _pace(self) -> float:
        return self._spent / self._expected if self._expected > 30 else 1.0

    def _show(self, place: str, usual: float, began: float, ended: threading.Event) -> None:
        live = sys.stderr.isatty()
        pace = self._pace()
        while True:
            spent = time.monotonic() - began
            left = max(0.0, usual * pace - spent) + sum(self._left.values()) * pace
            line = f"{place}: {span(spent)} of about {span(usual * pace)}; all: {span(left)} left"
            print(f"\r\033[K{line}" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)
            if ended.wait(1.0 if live else LINES_EVERY):
                break
        if live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
