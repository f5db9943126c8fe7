"""A bundle, opened: its signature and its structure are checked before anything in it is believed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from klusterkit.bundle import layout
from klusterkit.bundle.errors import BundleDamaged, BundleLacks, BundleRefused, NotTrusted
from klusterkit.bundle.layout import Member, Reader
from klusterkit.bundle.manifest import LIMIT, DeltaNote, Entry, Manifest
from klusterkit.bundle.minisign import SIGNATURE_LIMIT, PublicKey, Signature, verify
from klusterkit.bundle.store import ArtifactStore
from klusterkit.bundle.writing import Head

AT_ONCE = 2
"""Blobs that are hashed side by side."""


class Bundle:
    """A bundle's file. Opened with :meth:`open`.

    Attributes:
        path: of the file.
        delta: what a delta says of itself; None for a bundle proper.
        manifest: what it holds; a delta's is that of the bundle that it gives.
        signature: as it stands in the file, or None.
        signed: what the signature says, if it was verified when the bundle was opened.
        sbom: its bill of materials.
    """

    def __init__(self, path: Path, file: BinaryIO, keys: Sequence[PublicKey] | None) -> None:
        self.path = path
        self._file = file
        reader = Reader(file)
        note = reader.small(layout.DELTA, LIMIT)
        self.delta = DeltaNote.parse(note) if note is not None else None
        content = reader.small(layout.MANIFEST, LIMIT)
        if content is None:
            raise BundleDamaged("it doesn't begin with a manifest", hint="it is no bundle: cctl bundle build makes one")
        self.signature = reader.small(layout.SIGNATURE, SIGNATURE_LIMIT)
        self.signed = self._verified(content, keys) if keys is not None else None
        self.manifest = Manifest.parse(content)
        self.sbom = self._sbom(reader)
        self._places = {sha256: (place, size) for sha256, place, size in self._blobs(reader)}

    @classmethod
    @contextmanager
    def open(cls, path: Path, keys: Sequence[PublicKey] | None = None, *, delta: bool = False) -> Generator[Bundle]:
        """Open a bundle and look at all of it but the content of its blobs.

        Args:
            path: of the file.
            keys: that are trusted; None leaves the signature alone, and what the bundle says is hearsay.
            delta: whether it is to be a delta.

        Raises:
            BundleDamaged, NotTrusted: named by the file.
            UsageError: there is no file.
        """
        with layout.open_file(path, "bundle") as file, _named(path):
            bundle = cls(path, file, keys)
            if (bundle.delta is not None) != delta:
                raise _other_kind(bundle)
            yield bundle

    def _verified(self, content: bytes, keys: Sequence[PublicKey]) -> Signature:
        if self.signature is None:
            raise NotTrusted("it isn't signed", hint="whoever made it signs it: cctl bundle sign FILE --key KEY")
        return verify(content, self.signature, keys)

    def _sbom(self, reader: Reader) -> bytes:
        expected = self.manifest.sbom
        begins = reader.expect(Member(layout.SBOM, expected.size))
        content = reader.content(begins, expected.size)
        if hashlib.sha256(content).hexdigest() != expected.sha256:
            raise _changed(layout.SBOM)
        return content

    def _blobs(self, reader: Reader) -> Iterator[tuple[str, int, int]]:
        lacks = set(self.delta.lacks) if self.delta else set[str]()
        if not lacks <= self.manifest.blobs.keys():
            raise BundleDamaged("it says that it lacks what nobody wants", hint="make the delta again")
        for sha256, size in self.manifest.blobs.items():
            if sha256 in lacks:
                continue
            yield sha256, reader.expect(Member(layout.blob_name(sha256), size)), size
        reader.end()

    @property
    def head(self) -> Head:
        """What stands before its blobs, without what makes it a delta."""
        return Head(self.manifest, self.signature, self.sbom)

    @property
    def blobs(self) -> Collection[str]:
        """The digests of what is in the file."""
        return self._places.keys()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return Reader(self._file).size

    def verify_content(self, tell: Callable[[int], None] = lambda _: None) -> None:
        """Hash everything in it. Raises ``BundleDamaged``.

        Args:
            tell: told the bytes that were read, piece by piece.
        """

        def check(sha256: str) -> None:
            digest = hashlib.sha256()
            for piece in self.pieces(sha256):
                digest.update(piece)
                tell(len(piece))
            if digest.hexdigest() != sha256:
                raise _changed(self._called(sha256))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(check, self._places))

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """A blob, piece by piece, unverified."""
        return layout.pieces(self._file, *self._places[sha256])

    def find(self, path: str) -> Entry:
        """The entry at a path of a mirror. Raises ``BundleLacks``."""
        for entry in self.manifest.entries:
            if entry.path == path:
                return entry
        raise BundleLacks(
            f"it has no {path}",
            seen=f"it is for Kubernetes {', '.join(self.manifest.kubernetes)} on {self.manifest.architecture}",
            hint="`cctl bundle list` shows what it has; `cctl bundle build` makes one that has more",
        )

    def extract(self, digests: Iterable[str], store: ArtifactStore) -> None:
        """Put blobs into the store, those that it lacks. Each is verified on its way. Raises ``BundleDamaged``."""
        for sha256 in digests:
            if store.size(sha256) is None and not store.receive(sha256, self.pieces(sha256)):
                raise _changed(self._called(sha256))

    def _called(self, sha256: str) -> str:
        return next(entry.path for entry in self.manifest.entries if entry.sha256 == sha256)


def _other_kind(bundle: Bundle) -> BundleRefused:
    if bundle.delta:
        return BundleRefused("it is a delta", hint="make a bundle with it: cctl bundle combine OLD DELTA --out FILE")
    return BundleRefused("it is no delta", hint="make one: cctl bundle delta OLD NEW --out FILE")


def _changed(what: str) -> BundleDamaged:
    return BundleDamaged(
        f"{what} isn't what the manifest says", hint="it was changed: get the bundle again from where it was made"
    )


@contextmanager
def _named(path: Path) -> Generator[None]:
    """Errors say which bundle they are about."""
    try:
        yield
    except BundleRefused as error:
        raise error.about(path) from None
