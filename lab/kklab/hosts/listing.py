"""Listings of files: what every path of a tree is, in a form that two moments can be compared by.

A listing maps a path (absolute, as the host sees it) to one line: type, mode, owner, content, extended
attributes. Times and link counts are left out: they differ between two hosts that are the same in every
way that matters.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import cast

Listing = dict[str, str]

TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
OVERLAY = "trusted.overlay."
OPAQUE = OVERLAY + "opaque"


def of_tree(root: Path, at: str = "") -> Listing:
    """The listing of what is below a folder that the host sees at `at`."""
    return {at + path: line_of(f"{root}{path}") for path in walk(root)}


def with_upper(base: Listing, upper: Path) -> Listing:
    """What an overlay of `upper` over the tree listed in `base` shows.

    Reads the upper layer only, so it is quick and doesn't depend on the overlay being mounted. A file that was
    copied up and is again what it was below gives the same line as if it had never been touched.
    """
    merged = _Merged(base)
    for path in walk(upper):
        real = f"{upper}{path}"
        with contextlib.suppress(FileNotFoundError):
            info = os.lstat(real)
            if _is_whiteout(info):
                merged.remove(path)
                continue
            if not stat.S_ISDIR(info.st_mode) or _is_opaque(real):
                merged.remove(path)
            merged.lines[path] = line_of(real)
    return merged.lines


class _Merged:
    """A listing from which whole folders can be removed without looking at every path each time."""

    def __init__(self, base: Listing) -> None:
        self.lines = dict(base)
        self._children: dict[str, list[str]] = {}
        for path in base:
            self._children.setdefault(str(Path(path).parent), []).append(path)

    def remove(self, path: str) -> None:
        """Take out a path and all below it that came from the base."""
        self.lines.pop(path, None)
        for child in self._children.pop(path, ()):
            self.remove(child)


def walk(root: Path, below: str = "") -> Iterator[str]:
    """Every path below a folder, as in `/etc/hosts`, a folder before what it holds."""
    try:
        entries = list(os.scandir(f"{root}{below}"))
    except (FileNotFoundError, NotADirectoryError):
        return  # a running host's files come and go
    for entry in entries:
        path = f"{below}/{entry.name}"
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from walk(root, path)


def line_of(path: str) -> str:
    """What is at a path, in one line."""
    try:
        info = os.lstat(path)
        kind = TYPES[stat.S_IFMT(info.st_mode)]
        mode = f"{stat.S_IMODE(info.st_mode):04o}"
        return f"{kind} {mode} {info.st_uid}:{info.st_gid} {_content(path, info)} {_attributes(path)}".rstrip()
    except FileNotFoundError:
        return "gone"


def digest(listing: Listing) -> str:
    """SHA-256 of a listing, in hex."""
    return hashlib.sha256(as_text(listing).encode()).hexdigest()


def as_text(listing: Listing) -> str:
    """One line a path, sorted; a path is escaped as in JSON."""
    return "".join(f"{json.dumps(path)[1:-1]} {listing[path]}\n" for path in sorted(listing))


def save(path: Path, listing: Listing) -> None:
    """Write a listing for `load`."""
    path.write_text(json.dumps(listing))


def load(path: Path) -> Listing:
    """A listing that `save` wrote."""
    return cast(Listing, json.loads(path.read_text()))


def _content(path: str, info: os.stat_result) -> str:
    if stat.S_ISREG(info.st_mode):
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    if stat.S_ISLNK(info.st_mode):
        return "-> " + json.dumps(str(Path(path).readlink()))
    if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
        return f"{os.major(info.st_rdev)},{os.minor(info.st_rdev)}"
    return "-"


def _attributes(path: str) -> str:
    names = sorted(name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith(OVERLAY))
    return " ".join(f"{name}={os.getxattr(path, name, follow_symlinks=False).hex()}" for name in names)


def _is_whiteout(info: os.stat_result) -> bool:
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0


def _is_opaque(path: str) -> bool:
    return OPAQUE in os.listxattr(path) and os.getxattr(path, OPAQUE) == b"y"
