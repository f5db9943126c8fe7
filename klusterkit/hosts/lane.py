"""A lane: one long-lived ``/bin/sh`` that is sent framed requests, one after the other.

A request is one compound command, so that a shell that got only half of it before the link broke runs none of it::

    { header; { SCRIPT } </dev/null; trailer; }

Header and trailer are lines with a number that is drawn for each request, on both outputs: what start-up files or a
forgotten background program print stays outside. The trailer has the script's status.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

from klusterkit.hosts.stream import Stream, StreamClosed

LIMIT = 1 << 20
"""Bytes that are kept of output and of error output, from the end."""
_NOISE = 1 << 14
_SLICE = 0.05
_LAST_WORDS = 1.0
"""Seconds to listen to a shell that takes no more."""


class LaneTimeout(Exception):
    """The script took too long. The lane can't be used any more."""


@dataclass(frozen=True)
class Reply:
    """How a script ended, and what it printed."""

    rc: int
    out: bytes
    err: bytes


class Lane:
    """Used by one caller at a time.

    Args:
        stream: of a shell that has just been started.

    Attributes:
        broken: it was left in the middle of a request.
        used: when it last answered (``time.monotonic``).
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.broken = False
        self.used = time.monotonic()

    def call(self, script: bytes, *, timeout: float, limit: int = LIMIT, feed: Iterable[bytes] | None = None) -> Reply:
        """Run a script and wait for its end.

        Args:
            script: commands. They must not end the shell.
            timeout: seconds; afterwards the lane is broken.
            limit: bytes to keep of each output.
            feed: what the script reads from its input, to the last byte. Sent when the script has begun.

        Raises:
            LaneTimeout: it took longer.
            StreamClosed: the shell is gone, with what it said last.
        """
        nonce = secrets.token_hex(16).encode()
        deadline = time.monotonic() + timeout
        out, err = _Section(nonce, limit), _Section(nonce, limit)
        try:
            self._stream.send(_frame(nonce, script, fed=feed is not None))
            if feed is not None:
                self._receive(out, err, deadline, begun=True)
                for chunk in feed:
                    self._stream.send(chunk)
            self._receive(out, err, deadline)
        except StreamClosed as error:
            self.broken = True
            end = self._hear_out(out, err) or error
            said = bytes(err.data + out.data)[-2000:].decode(errors="replace").strip()
            raise StreamClosed(said or str(end), end.status) from None
        except BaseException:
            self.broken = True
            raise
        self.used = time.monotonic()
        return Reply(out.rc, bytes(out.data), bytes(err.data))

    def close(self) -> None:
        """End the shell, when what it runs has ended."""
        self.broken = True
        self._stream.close()

    def _hear_out(self, out: _Section, err: _Section) -> StreamClosed | None:
        """Take what the shell said before it ended: who is sending learns of the end before all of that is read."""
        try:
            self._receive(out, err, time.monotonic() + _LAST_WORDS)
        except StreamClosed as error:
            return error
        except LaneTimeout:
            pass
        return None

    def _receive(self, out: _Section, err: _Section, deadline: float, *, begun: bool = False) -> None:
        while not (out.begun if begun else (out.ended and err.ended)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise LaneTimeout
            for section, data in zip(
                (out, err), self._stream.receive(min(left, _SLICE), errors_only=out.ended), strict=True
            ):
                if data:
                    section.take(data)


class _Section:
    """What comes between header and trailer of one output."""

    def __init__(self, nonce: bytes, limit: int) -> None:
        self._nonce = nonce
        self._limit = limit
        self._seen = 0
        self.data = bytearray()
        self.begun = False
        self.ended = False
        self.rc = 0

    def take(self, data: bytes) -> None:
        """More of it has come."""
        self.data += data
        if not self.begun:
            self._find_header()
        if self.begun and not self.ended:
            self._find_trailer()

    def _find_header(self) -> None:
        at = self.data.find(self._nonce + b"\n")
        if at < 0:
            del self.data[:-_NOISE]
            return
        del self.data[: at + len(self._nonce) + 1]
        self.begun = True

    def _find_trailer(self) -> None:
        at = self.data.find(self._nonce, max(0, self._seen - len(self._nonce)))
        if at < 0:
            self._seen = len(self.data)
            if self._seen > 2 * self._limit + len(self._nonce):
                del self.data[: -self._limit - len(self._nonce)]
                self._seen = len(self.data)
            return
        end = self.data.find(b"\n", at)
        if end < 0:
            self._seen = at
            return
        self.rc = int(self.data[at + len(self._nonce) + 1 : end])
        del self.data[at:]
        del self.data[: max(0, at - self._limit)]
        self.ended = True


def _frame(nonce: bytes, script: bytes, *, fed: bool) -> bytes:
    source = b"" if fed else b" </dev/null"
    return (
        b"{ echo %(n)s; echo %(n)s >&2\n{\n%(script)s\n}%(source)s\nkk_status=$?\n"
        b'echo "%(n)s $kk_status" >&2; echo "%(n)s $kk_status"; }\n'
    ) % {b"n": nonce, b"script": script or b":", b"source": source}
