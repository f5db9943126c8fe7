"""A snapshot of etcd as a file: whether it is whole, before any host is touched.

``etcdctl snapshot save`` appends the SHA-256 of what it saved. A database's size is a multiple of 512, so a file that
is 32 bytes longer has one (etcdutl, ``snapshot/v3_snapshot.go``).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of

_PAGE = 512
_HASH = hashlib.sha256().digest_size
_PIECE = 1 << 20


def checked_snapshot(path: Path, *, hash_known: bool) -> Path:
    """The file itself, if it can be restored.

    Args:
        path: of the file, on this machine.
        hash_known: whether it has to carry its own hash; one that was copied from a data folder doesn't.

    Raises:
        UsageError: it can't be read, has no hash, or another one than it should.
    """
    try:
        size = path.stat().st_size
        if hash_known:
            _check(path, size)
    except OSError as error:
        raise UsageError(f"the snapshot {path} can't be read: {words_of(error)}", hint="name another file") from None
    if not size:
        raise UsageError(f"the snapshot {path} is empty", hint="name another file")
    return path


def _check(path: Path, size: int) -> None:
    if size % _PAGE != _HASH:
        raise UsageError(
            f"the snapshot {path} has no hash: it is cut short, or was copied from a data folder",
            seen=f"{size} bytes",
            hint="make one by `etcdctl.sh snapshot save`; --skip-hash-check takes a copy of a database as it is",
        )
    digest, left = hashlib.sha256(), size - _HASH
    with path.open("rb") as file:
        while left:
            piece = file.read(min(_PIECE, left))
            if not piece:
                break
            digest.update(piece)
            left -= len(piece)
        if file.read() != digest.digest():
            raise UsageError(f"the snapshot {path} is damaged: its hash is another", hint="take another copy of it")
