"""Output that nobody takes: a pipe that was closed, a disk that is full. How a run ended doesn't depend on that."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator
from typing import TextIO

_STREAMS = (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_WRONLY, "w"), ("stderr", os.O_WRONLY, "w"))


@contextlib.contextmanager
def perhaps_unheard(stream: TextIO) -> Generator[None]:
    """Where what is written to this stream can't be, go on without it, and without what is in its buffer still."""
    try:
        yield
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            give_up(stream)


def give_up(stream: TextIO) -> None:
    """Let the stream lead nowhere, so that nothing fails that flushes it at the end of the program."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_closed_streams() -> None:
    """Let standard streams that the program was started without lead nowhere.

    Python has none then, and files that are opened would get their numbers: a state file that is what others print to.
    """
    for name, flags, mode in _STREAMS:
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))
