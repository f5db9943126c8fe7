"""Output that nobody takes: a pipe that was closed, a disk that is full. How a run ended doesn't depend on that."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from typing import TextIO


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
