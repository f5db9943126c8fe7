"""A shell at the other end of an SSH session."""

from __future__ import annotations

import contextlib

from klusterkit.foreign import words_of
from klusterkit.hosts.sshlibrary import paramiko
from klusterkit.hosts.stream import CHUNK, StreamClosed

SEND_TIMEOUT = 60.0
"""Seconds that a host may take nothing of what is sent to it."""


STATUS_TIMEOUT = 1.0
"""Seconds that the status of a program may come later than the end of what it says."""
_LOST = (OSError, EOFError, paramiko.SSHException)
"""What paramiko raises when the connection is gone, depending on where it notices."""


class SshStream:
    """A shell at the other end of an SSH session.

    Its input is never shut before it is closed: paramiko would send EOF after CLOSE at times, and sshd ends the whole
    connection for that (paramiko#1115, #1584).
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def send(self, data: bytes | memoryview) -> None:
        """Send all of it."""
        rest = memoryview(data)
        self._channel.settimeout(SEND_TIMEOUT)
        try:
            while rest:
                sent = self._channel.send(bytes(rest[:CHUNK]))
                if not sent:
                    raise StreamClosed("the session was closed")
                rest = rest[sent:]
        except _LOST as error:
            raise StreamClosed(words_of(error)) from None

    def receive(self, timeout: float, *, errors_only: bool = False) -> tuple[bytes, bytes]:
        """Some output and some error output."""
        channel = self._channel
        channel.settimeout(timeout)
        try:
            out = b"" if errors_only else channel.recv(CHUNK)
            if not errors_only and out and not channel.recv_stderr_ready():
                return out, b""
            # At the end of the output, or when only errors are awaited, this waits; the end of both is the end.
            err = channel.recv_stderr(CHUNK) if errors_only or not out or channel.recv_stderr_ready() else b""
        except TimeoutError:
            return b"", channel.recv_stderr(CHUNK) if channel.recv_stderr_ready() else b""
        if not out and not err:
            channel.status_event.wait(STATUS_TIMEOUT)
            known = channel.exit_status >= 0
            raise StreamClosed("the session was closed", channel.exit_status if known else None)
        return out, err

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(*_LOST):
            self._channel.close()
