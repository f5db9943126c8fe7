"""Writing bundles: whole or not at all, and every content verified on its way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from klusterkit.bundle import layout
from klusterkit.bundle.errors import BundleDamaged
from klusterkit.bundle.layout import Member, padding
from klusterkit.bundle.manifest import Manifest
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of
from klusterkit.outfile import replaced_at, stream, streams

Pieces = Callable[[str], Iterable[bytes]]
"""Gives a blob, piece by piece, by its SHA-256."""


_AGAIN = "get it again from where it was made"


@dataclass(frozen=True)
class Head:
    """What stands before the blobs."""

    manifest: Manifest
    signature: bytes | None
    sbom: bytes
    delta: bytes | None = None
    """Of a delta: which of the blobs it has."""

    @property
    def small(self) -> Iterator[tuple[str, bytes]]:
        """The files, in their order."""
        if self.delta is not None:
            yield layout.DELTA, self.delta
        yield layout.MANIFEST, self.manifest.content
        if self.signature is not None:
            yield layout.SIGNATURE, self.signature
        yield layout.SBOM, self.sbom


def write(
    path: Path, head: Head, blobs: dict[str, int], pieces: Pieces, tell: Callable[[int], None] = lambda _: None
) -> int:
    """Write a bundle's or a delta's file, replacing one of this name. Returns its size in bytes.

    Args:
        path: of the file.
        head: what comes first.
        blobs: sizes by digests, in their order.
        pieces: gives each.
        tell: told the bytes that were written, piece by piece.

    Raises:
        BundleDamaged: a content isn't what its digest says.
        UsageError: the file can't be written.
    """
    with replacing(path) as file:
        written = 0
        for name, content in head.small:
            written += _put(file, Member(name, len(content)), [content])
        for sha256, size in blobs.items():
            written += _put(file, Member(layout.blob_name(sha256), size), _checked(sha256, pieces(sha256), tell))
        return written + file.write(layout.END)


def _put(file: BinaryIO, member: Member, content: Iterable[bytes]) -> int:
    begun = file.write(layout.header(member))
    size = sum(map(file.write, content))
    if size != member.size:
        raise BundleDamaged(f"{member.name} has another size than it should", hint=_AGAIN)
    return begun + size + file.write(bytes(padding(size)))


def _checked(sha256: str, pieces: Iterable[bytes], tell: Callable[[int], None]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
        tell(len(piece))
    if digest.hexdigest() != sha256:
        raise BundleDamaged(f"the content with SHA-256 {sha256} is another one now", hint=_AGAIN)


@contextmanager
def replacing(path: Path) -> Generator[BinaryIO]:
    """A file that takes the place of ``path`` when it is whole and flushed; a device or a pipe is written to.

    Raises:
        UsageError: it can't be written.
    """
    try:
        with stream(path) if streams(path) else _whole(replaced_at(path)) as file:
            yield file
    except OSError as error:
        raise UsageError(
            f"{path} can't be written: {words_of(error)}", hint="see that its folder is there and has room"
        ) from None


@contextmanager
def _whole(path: Path) -> Generator[BinaryIO]:
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
