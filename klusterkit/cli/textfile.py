"""Files that a command is given for what is written in them; ``-`` is standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from klusterkit.foreign import words_of


def text_of(file: Path) -> str:
    """What is in it. Raises ``UsageError`` for one that can't be read, or holds no text."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        from klusterkit.engine.errors import UsageError

        raise UsageError(
            f"{file} can't be read: {words_of(error)}", hint="name another file, or - for standard input"
        ) from None
