"""What ``kk_stat`` prints, as entries."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from typing import Literal

from klusterkit.engine.host import Entry

_ABSENT = (b"No such file or directory", b"Not a directory")
_FIELDS = 5


def entries(paths: Sequence[str], out: bytes) -> tuple[Entry, ...]:
    """An entry for each path. Raises ``ValueError`` when something changed while it was looked at."""
    fields = out.split(b"\0")
    found: dict[bytes, list[bytes]] = {}
    at = 0
    while fields[at]:
        found[fields[at]] = fields[at + 1 : at + _FIELDS]
        at += _FIELDS
    links = _take(fields, at + 1)
    at += 2 + len(links)
    targets = dict(zip(links, _take(fields, at), strict=True))
    at += 1 + len(targets)
    sums = {line[66:]: line[:64].decode() for line in fields[at:] if line}
    return tuple(_entry(path, found, targets, sums) for path in paths)


def unexpected(err: bytes) -> str:
    """What was said that isn't just that nothing is there."""
    lines = [line for line in err.splitlines() if line and not line.endswith(_ABSENT)]
    return b"\n".join(lines[-8:]).decode(errors="replace")


def _take(fields: Sequence[bytes], start: int) -> list[bytes]:
    """Fields up to the next empty one."""
    end = fields.index(b"", start)
    return list(fields[start:end])


def _entry(path: str, found: dict[bytes, list[bytes]], targets: dict[bytes, bytes], sums: dict[bytes, str]) -> Entry:
    name = path.encode(errors="surrogateescape")
    if name not in found:
        return Entry(path=path, type="absent")
    raw, names, numbers, size = found[name]
    mode = int(raw, 16)
    kind = _type(mode)
    return Entry(
        path=path,
        type=kind,
        mode=stat.S_IMODE(mode),
        owner=_owner(names.decode(), numbers.decode()),
        size=int(size),
        sha256=sums.get(name, "") if kind == "file" else "",
        target=targets.get(name, b"").decode(errors="surrogateescape") if kind == "symlink" else "",
    )


def _type(mode: int) -> Literal["file", "directory", "symlink", "other"]:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"


def _owner(names: str, numbers: str) -> str:
    """By name where the host knows one, by number where not."""
    pairs = zip(names.split(":"), numbers.split(":"), strict=True)
    return ":".join(number if name == "UNKNOWN" else name for name, number in pairs)
