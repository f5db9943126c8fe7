"""Where an operator has something written: ``--out FILE``. Links stay links, devices and pipes stay what they are.

A file is replaced as a whole, so that it is never there in part. A terminal, ``/dev/null`` or a pipe is not: a file
in its place would put an end to it, for every program of the machine.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from klusterkit.engine.errors import UsageError

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFBLK: "a disk", stat.S_IFSOCK: "a socket"}


def streams(path: Path) -> bool:
    """Whether what is written to it goes on at once: to a character device or into a FIFO."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def is_standard_output(path: Path) -> bool:
    """Whether it leads where this command's own results go: ``/dev/stdout``."""
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def stream(path: Path) -> BinaryIO:
    """Open what :func:`streams`. Raises ``OSError``, also where it has gone: a new file could be read by others."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC), "wb")


def replaced_at(path: Path) -> Path:
    """The file to replace, or to make: where links lead to in the end.

    Raises:
        OSError: links lead nowhere, or may not be followed.
        UsageError: what is there is no file.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path.resolve()
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"can't write {path}: it is {_KINDS.get(stat.S_IFMT(mode), 'no file')}", hint="name a file, or a pipe"
        )
    return path.resolve()
