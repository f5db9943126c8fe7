"""Plain data as shell words. Everything that reaches a shell goes through here."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable


def word(value: str | bytes) -> bytes:
    """One word that a POSIX shell reads as exactly this. Raises ``ValueError`` for what no argument can hold."""
    data = value if isinstance(value, bytes) else value.encode(errors="surrogateescape")
    if b"\0" in data:
        raise ValueError("an argument can't hold a NUL byte")
    if data.isascii():
        return shlex.quote(data.decode()).encode()
    return b"'" + data.replace(b"'", b"'\\''") + b"'"


def words(values: Iterable[str | bytes]) -> bytes:
    """Several words."""
    return b" ".join(word(value) for value in values)


def is_text(data: bytes) -> bool:
    """Whether every shell can hold it in a word unchanged."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def printed(data: bytes) -> bytes:
    """A command that prints these bytes. ``printf`` is built in: it costs no process, and no list of them shows it."""
    if is_text(data):
        return b"printf %s " + word(data)
    return b"printf %s " + base64.b64encode(data) + b" | base64 -d"
