"""Ctrl-C, and SIGTERM which means the same."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ASKED = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The operator wants the command to end, and no run is under way. Not an ``Exception``: nobody may swallow it."""


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


@contextmanager
def interruptible() -> Generator[None]:
    """Outside of runs, a signal ends whatever the command is doing."""
    with _handling(_raise):
        yield


@contextmanager
def stopping(stop: Callable[[], object], stop_now: Callable[[], object]) -> Generator[None]:
    """During a run, the first signal lets what runs come to its end, the second waits no longer."""
    asked: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        (stop if len(asked) == 1 else stop_now)()

    with _handling(handle):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], Any]) -> Generator[None]:
    earlier = {number: signal.signal(number, handler) for number in _ASKED}
    try:
        yield
    finally:
        for number, before in earlier.items():
            signal.signal(number, before)
