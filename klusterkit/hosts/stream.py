"""A shell's three streams, wherever it runs."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Sequence
from typing import Protocol

from klusterkit.foreign import words_of

CHUNK = 1 << 16


class StreamClosed(Exception):
    """The other end is gone.

    Attributes:
        status: what its program ended with, if it is known that it has ended by itself.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Stream(Protocol):
    """Bytes to a shell, and its standard output and error apart."""

    def send(self, data: bytes | memoryview) -> None:
        """Send all of it. Raises ``StreamClosed``."""
        ...

    def receive(self, timeout: float, *, errors_only: bool = False) -> tuple[bytes, bytes]:
        """Some output and some error output; two empty ones when ``timeout`` seconds brought nothing.

        With ``errors_only`` it waits for error output. Raises ``StreamClosed`` at the end of both.
        """
        ...

    def close(self) -> None:
        """End it. What runs in the shell isn't ended by that."""
        ...


class ProcessStream:
    """A shell on this machine.

    Args:
        argv: how to start it.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        # A session of its own: Ctrl-C on our terminal is not meant for what runs there.
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            cwd="/",
        )
        ends = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._in, self._out, self._err = (end.fileno() for end in ends if end is not None)
        self._poll = select.poll()
        for end in (self._out, self._err):
            self._poll.register(end, select.POLLIN)
        self._open = {self._out, self._err}

    def send(self, data: bytes | memoryview) -> None:
        """Send all of it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._in, rest[:CHUNK]) :]
        except OSError as error:
            raise StreamClosed(words_of(error)) from None

    def receive(self, timeout: float, *, errors_only: bool = False) -> tuple[bytes, bytes]:
        """Some output and some error output."""
        _ = errors_only
        if not self._open:
            status = self._process.wait(5)
            raise StreamClosed(f"the shell ended with status {status}", status if status >= 0 else None)
        got = {end: self._read(end) for end, _ in self._poll.poll(timeout * 1000)}
        return got.get(self._out, b""), got.get(self._err, b"")

    def _read(self, end: int) -> bytes:
        data = os.read(end, CHUNK)
        if not data:
            self._poll.unregister(end)
            self._open.discard(end)
        return data

    def close(self) -> None:
        """End it: the shell ends at the end of its input."""
        for end in (self._process.stdin, self._process.stdout, self._process.stderr):
            if end is not None and not end.closed:
                end.close()
        self._open.clear()
        try:
            self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            return  # it ends when the program that it runs does
