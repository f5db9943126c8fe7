"""Ctrl-C, and SIGTERM which means the same."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from klusterkit.cli.exit_codes import ExitCode

_ASKED = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The operator wants the command to end, and no run is under way. Not an ``Exception``: nobody may swallow it."""


_TIDYING = 1.0
"""Seconds that a command gets to tidy up: a download, or a question, in another thread must not keep the terminal."""


def leave() -> NoReturn:
    """End the program at once. Whatever it was writing is whole or not there, as after any crash."""
    sys.stderr.write("\ninterrupted: this command has changed no host\n")
    sys.stderr.flush()
    os._exit(ExitCode.INTERRUPTED)


def _raise(_number: int, _frame: FrameType | None) -> None:
    last_call = threading.Timer(_TIDYING, leave)
    last_call.daemon = True
    last_call.start()
    raise Interrupted


@contextmanager
def interruptible() -> Generator[None]:
    """Outside of runs, a signal ends whatever the command is doing."""
    with _handling(_raise):
        yield


@contextmanager
def stopping(stop: Callable[[], object], stop_now: Callable[[], object], begun: Callable[[], bool]) -> Generator[None]:
    """During a run, the first signal lets what runs come to its end, the second waits no longer.

    As long as the run has not begun, since hosts are looked at first, a signal ends the command as elsewhere.
    """
    asked: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if not begun():
            _raise(number, frame)
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
