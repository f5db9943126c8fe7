"""Ctrl-C, and SIGTERM which means the same."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from klusterkit.cli.exit_codes import ExitCode

_ASKED = (signal.SIGINT, signal.SIGTERM)

_Handler = Callable[[int, FrameType | None], Any]


class Interrupted(BaseException):
    """The operator wants the command to end, and no run is under way. Not an ``Exception``: nobody may swallow it."""


_TIDYING = 1.0
"""Seconds that a command gets to tidy up: a download, or a question, in another thread must not keep the terminal."""


NOTHING = "this command has changed no host"
RESUMABLE = "a run is in progress: `cctl resume` goes on with it, `cctl rollback` takes it back"


def leave(words: str = NOTHING) -> NoReturn:
    """End the program at once. Whatever it was writing is whole or not there, as after any crash."""
    sys.stderr.write(f"\ninterrupted: {words}\n")
    sys.stderr.flush()
    os._exit(ExitCode.INTERRUPTED)


def _raise(_number: int, _frame: FrameType | None, words: str = NOTHING) -> NoReturn:
    last_call = threading.Timer(_TIDYING, leave, [words])
    last_call.daemon = True
    last_call.start()
    raise Interrupted(words)


@contextmanager
def interruptible() -> Generator[None]:
    """Outside of runs, a signal ends whatever the command is doing."""
    with _handling(_raise):
        yield


@dataclass
class Ending:
    """How a run ended, once it has: the status with which a signal ends the program from then on."""

    status: ExitCode | None = None


@contextmanager
def stopping(
    stop: Callable[[], object],
    stop_now: Callable[[], object],
    begun: Callable[[], bool],
    journaled: Callable[[], bool],
) -> Generator[Ending]:
    """During a run, the first signal lets what runs come to its end, the second waits no longer.

    As long as the run has not begun, since hosts are looked at first, a signal ends the command as elsewhere. Once it
    has ended, one ends the program at once, here and for the rest of the command: nothing is left but to tell of it.

    Args:
        stop: lets what runs end.
        stop_now: waits no longer.
        begun: whether a task has begun.
        journaled: whether there is a run to go on with.
    """
    asked: list[int] = []
    ending = Ending()

    def handle(number: int, frame: FrameType | None) -> None:
        if ending.status is not None:
            os._exit(ending.status)
        if not begun():
            _raise(number, frame, RESUMABLE if journaled() else NOTHING)
        asked.append(number)
        (stop if len(asked) == 1 else stop_now)()

    earlier = _handle(handle)
    try:
        yield ending
    finally:
        if begun():
            ending.status = ExitCode.INTERRUPTED if ending.status is None else ending.status
        else:
            _restore(earlier)


@contextmanager
def _handling(handler: _Handler) -> Generator[None]:
    earlier = _handle(handler)
    try:
        yield
    finally:
        _restore(earlier)


def _handle(handler: _Handler) -> dict[signal.Signals, Any]:
    return {number: signal.signal(number, handler) for number in _ASKED}


def _restore(earlier: Mapping[signal.Signals, Any]) -> None:
    for number, before in earlier.items():
        signal.signal(number, before)
