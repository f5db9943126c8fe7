"""Images as OCI archives (OCI Image Format Specification 1.1: an image layout in a tar): so they travel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from klusterkit.bundle import layout
from klusterkit.bundle.layout import BLOCK, Member, padding
from klusterkit.bundle.manifest import LARGEST, canonical
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import misfit

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST_LIMIT = 4 << 20
"""Bytes: what registries allow."""
MOST_LAYERS = 128
"""What overlayfs can stack."""
MOST_MEMBERS = 4096


class ImageUnusable(UsageError):
    """An image that isn't what an image has to be."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Platform(_Model):
    """What an image runs on."""

    os: str = ""
    architecture: str = ""


class Descriptor(_Model):
    """How content is pointed at."""

    mediaType: str = MANIFEST_TYPE  # noqa: N815 - as the specification spells it
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0, lt=LARGEST)]
    platform: Platform | None = None

    @property
    def sha256(self) -> str:
        """Its digest without the algorithm's name."""
        return self.digest.removeprefix("sha256:")


class ImageManifest(_Model):
    """An image for one platform."""

    mediaType: str = MANIFEST_TYPE  # noqa: N815
    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], Field(max_length=MOST_LAYERS)]

    @property
    def blobs(self) -> dict[str, int]:
        """Sizes by digests of all that it is made of, each once."""
        return {item.sha256: item.size for item in (self.config, *self.layers)}


class Index(_Model):
    """An image for several platforms, or the images of an archive."""

    manifests: Annotated[tuple[Descriptor, ...], Field(min_length=1, max_length=1000)]


M = TypeVar("M", ImageManifest, Index)


def parsed(model: type[M], content: bytes, where: str) -> M:
    """A manifest or an index from its JSON. Raises ``ImageUnusable``."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise ImageUnusable(
            f"{where} is no image that can be used", seen=misfit(error), hint="name another source"
        ) from None


def write_archive(
    file: BinaryIO, reference: str, content: bytes, pieces: Callable[[str], Iterable[bytes]]
) -> hashlib._Hash:  # pyright: ignore[reportPrivateUsage]
    """Write an image as an archive that ``ctr images import`` takes; equal images give equal bytes.

    Args:
        file: where to.
        reference: the full name that the archive gives the image.
        content: its manifest, for one platform.
        pieces: gives each blob, already verified.

    Returns:
        The digest of what was written.
    """
    manifest = parsed(ImageManifest, content, reference)
    made = hashlib.sha256(content).hexdigest()
    index = _index_of(reference, manifest.mediaType, made, len(content))
    members = _Members(file, reference)
    members.add("oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
    members.add("index.json", canonical(index))
    members.add(layout.blob_name(made), content)
    for sha256, size in manifest.blobs.items():
        members.add_pieces(layout.blob_name(sha256), size, pieces(sha256))
    return members.end()


def _index_of(reference: str, media_type: str, sha256: str, size: int) -> dict[str, Any]:
    """What an archive says of its only image, whose manifest is this blob."""
    names = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference.rpartition(":")[2]}
    descriptor = {"mediaType": media_type, "digest": f"sha256:{sha256}", "size": size, "annotations": names}
    return {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [descriptor]}


class _Members:
    """The members of an archive of an image, on their way into a file."""

    def __init__(self, file: BinaryIO, reference: str) -> None:
        self._file, self._reference = file, reference
        self._digest = hashlib.sha256()

    def add(self, name: str, content: bytes) -> None:
        self.add_pieces(name, len(content), [content])

    def add_pieces(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        left = size + BLOCK + padding(size)
        for piece in chain([layout.header(Member(name, size))], pieces, [bytes(padding(size))]):
            left -= self._write(piece)
        if left:
            raise ImageUnusable(f"{self._reference}: {name} has another size than it says", hint="mend the registry")

    def end(self) -> hashlib._Hash:  # pyright: ignore[reportPrivateUsage]
        self._write(layout.END)
        return self._digest

    def _write(self, piece: bytes) -> int:
        self._digest.update(piece)
        return self._file.write(piece)


class ImageArchive:
    """An archive of one image, read in place. Whoever made it is not trusted. Opened with :meth:`open`.

    Attributes:
        digest: of the image's manifest, ``sha256:…``.
        manifest: its content.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._places = dict(self._members())
        index = parsed(Index, self._small("index.json"), str(path))
        self.digest = index.manifests[0].digest
        self.manifest = self._small(layout.blob_name(index.manifests[0].sha256))
        if f"sha256:{hashlib.sha256(self.manifest).hexdigest()}" != self.digest:
            raise self._unusable("its manifest has another digest")

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Generator[ImageArchive]:
        """Open an archive. Raises ``ImageUnusable``."""
        with layout.open_file(path, "image") as file:
            yield cls(path, file)

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """A blob, piece by piece, unverified."""
        place = self._places.get(layout.blob_name(sha256))
        if place is None:
            raise self._unusable(f"it lacks the blob {sha256}")
        yield from layout.pieces(self._file, *place)

    def _small(self, name: str) -> bytes:
        at, size = self._places.get(name, (0, 0))
        if not 0 < size <= MANIFEST_LIMIT:
            raise self._unusable(f"it has no {name} of a size that one has")
        return b"".join(layout.pieces(self._file, at, size))

    def _members(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Names and places of its plain files. Names that need more than a header are nothing to an image."""
        at, end = 0, self._file.seek(0, 2)
        for _ in range(MOST_MEMBERS):
            block = b"".join(layout.pieces(self._file, at, min(BLOCK, end - at)))
            if not any(block):
                return
            size = layout.size_in(block)
            if len(block) < BLOCK or size is None or at + BLOCK + size > end:
                raise self._unusable(f"byte {at}: there is no header of a file")
            if block[156:157] in (b"0", b"\0"):
                name = block[:100].rstrip(b"\0").decode(errors="replace").removeprefix("./")
                yield name, (at + BLOCK, size)
            at += BLOCK + size + padding(size)
        raise self._unusable(f"it has more than {MOST_MEMBERS} files")

    def _unusable(self, why: str) -> ImageUnusable:
        return ImageUnusable(f"{self._path} is no OCI archive of an image: {why}", hint="save it again")


def manifest_digest(path: Path) -> str | None:
    """The digest by which registries know the image of an archive; None where the archive doesn't say."""
    try:
        with ImageArchive.open(path) as archive:
            return archive.digest
    except ImageUnusable:
        return None
