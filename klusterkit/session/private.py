"""Files for their owner alone: whole or not there, and never readable for others, not even for a moment."""

from __future__ import annotations

import errno
from pathlib import Path

from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of
from klusterkit.outfile import replaced_at, stream, streams
from klusterkit.state import disk

_HINTS = {
    errno.ENOENT: "make the folder first, or name a file in another one",
    errno.ENOSPC: "free space on that disk, or name a file on another one",
}


def write_private(path: Path, text: str) -> None:
    """Write a file, mode 0600, as a whole; what is there already is replaced. Devices and pipes are written to.

    Raises:
        UsageError: it can't be written. What was there is as it was.
    """
    try:
        if streams(path):
            with stream(path) as out:
                out.write(text.encode())
        else:
            disk.put(replaced_at(path), text.encode())
    except OSError as error:
        raise UsageError(
            f"can't write {path}: {words_of(error)}",
            hint=_HINTS.get(error.errno or 0, "name a file in a folder that you may write to"),
        ) from None
