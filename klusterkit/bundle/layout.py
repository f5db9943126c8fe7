"""The file that a bundle is: a plain tar of which every byte but those of its contents is determined by its manifest.

So there is nothing to interpret: each header has to be the very one that :func:`header` makes. A link, a device, a path
that leads elsewhere, a sparse file, a second file of one name can't be written in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from klusterkit.bundle.errors import BundleDamaged
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.minisig"
SBOM = "sbom.cdx.json"
DELTA = "delta.json"

BLOCK = 512
END = bytes(2 * BLOCK)
_TYPES = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a folder",
    b"6": "a FIFO",
    b"S": "a sparse file",
    b"L": "a long name",
    b"K": "a long link",
    b"g": "an extended header for all",
    b"x": "an extended header",
}


@dataclass(frozen=True)
class Member:
    """A file in it: ``size`` bytes of content."""

    name: str
    size: int

    @property
    def extent(self) -> int:
        """Bytes that it takes with header and padding."""
        return BLOCK + self.size + padding(self.size)


def blob_name(sha256: str) -> str:
    """Name of a blob's member."""
    return f"blobs/sha256/{sha256}"


def header(member: Member) -> bytes:
    """The one header that a member has: POSIX ustar, a plain file, mode 0644, of user 0, from 1970."""
    fields = (
        *(member.name.encode().ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0"),
        *(b"%011o\0" % member.size, b"%011o\0" % 0, b" " * 8, b"0", bytes(100), b"ustar\x0000"),
        *(bytes(32), bytes(32), b"0000000\0", b"0000000\0", bytes(155), bytes(12)),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padding(size: int) -> int:
    """Zeros that follow a content of this size."""
    return -size % BLOCK


def open_file(path: Path, what: str) -> BinaryIO:
    """A bundle's file. Raises ``UsageError`` where there is no plain file."""
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb", buffering=0)
    except OSError as error:
        raise UsageError(f"the {what} {path} can't be read: {words_of(error)}", hint="name another file") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UsageError(f"{path} is not a file", hint=f"name a {what}'s file")
    return file


class Reader:
    """Reads members one after the other; whatever isn't as it has to be raises ``BundleDamaged``.

    Args:
        file: opened for reading.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file.fileno()
        self.size = os.fstat(self._file).st_size
        self.at = 0

    def small(self, name: str, limit: int) -> bytes | None:
        """The content of the next member if it has this name; None if it has another."""
        block = self._block()
        size = size_in(block)
        if block[:100].rstrip(b"\0") != name.encode() or size is None:
            return None
        member = Member(name, size)
        if size > limit:
            raise _damaged(f"its {name} has {size} bytes; {limit} are the most", "it is no bundle, or made to do harm")
        return self.content(self.expect(member), size)

    def expect(self, member: Member) -> int:
        """Pass the next member, which has to be this one. Returns where its content begins."""
        block = self._block()
        if block != header(member):
            raise _damaged(
                f"byte {self.at}: there is {_described(block)} instead of the file {member.name}",
                "it was changed, or isn't a bundle",
            )
        begins = self.at + BLOCK
        if self.size < begins + member.size:
            raise self._short(begins + member.size)
        fill = padding(member.size)
        if self.content(begins + member.size, fill) != bytes(fill):
            raise _damaged(f"byte {begins + member.size}: there is something behind {member.name}", "it was changed")
        self.at = begins + member.size + fill
        return begins

    def end(self) -> None:
        """There has to be nothing more."""
        if self.content(self.at, len(END)) != END:
            found = _described(self._block())
            raise _damaged(f"byte {self.at}: there is {found} after its last file", "it was changed")
        extra = self.size - self.at - len(END)
        if extra:
            raise _damaged(f"{extra} bytes follow its end", "it was changed")

    def content(self, at: int, size: int) -> bytes:
        """These bytes; fewer raise ``BundleDamaged``."""
        if self.size < at + size:
            raise self._short(at + size)
        return os.pread(self._file, size, at)

    def _block(self) -> bytes:
        return self.content(self.at, BLOCK)

    def _short(self, needed: int) -> BundleDamaged:
        return _damaged(f"it is cut short: it ends at byte {self.size}, and needs {needed} at least", "it isn't whole")


def pieces(file: BinaryIO, at: int, size: int, most: int = 1 << 20) -> Iterator[bytes]:
    """A part of a file, piece by piece, wherever others read it at the same time."""
    descriptor = file.fileno()
    while size:
        data = os.pread(descriptor, min(size, most), at)
        if not data:
            raise _damaged(f"it is cut short: it ends at byte {at}", "it became shorter while it was read")
        yield data
        at += len(data)
        size -= len(data)


def extent(members: Iterable[Member]) -> int:
    """Bytes of a file with these members."""
    return sum(member.extent for member in members) + len(END)


def size_in(block: bytes) -> int | None:
    """The size that a tar header gives, in octal digits; None where it gives none that way."""
    digits = block[124:135]
    return int(digits, 8) if digits.isdigit() and b"8" not in digits and b"9" not in digits else None


def _described(block: bytes) -> str:
    if not any(block):
        return "an end"
    name = block[:100].split(b"\0")[0].decode(errors="backslashreplace")
    link = block[157:257].split(b"\0")[0].decode(errors="backslashreplace")
    kind = _TYPES.get(block[156:157], "a file") if block[257:262] == b"ustar" else "no header of a file"
    return f"{kind} {name!a}{f' to {link!a}' if link else ''}"


def _damaged(what: str, why: str) -> BundleDamaged:
    return BundleDamaged(what, hint=f"{why}: get it again from where it was made")
