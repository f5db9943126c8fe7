"""Images from registries: each from its own, or all from a private one; verified, and kept as OCI archives."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from klusterkit.bundle import layout
from klusterkit.bundle.imagearchive import ImageManifest, ImageUnusable, Index, parsed, write_archive
from klusterkit.bundle.mirror import ArtifactDamaged
from klusterkit.bundle.reference import Place, Reference
from klusterkit.bundle.registry import Account, Registry
from klusterkit.bundle.store import ArtifactStore
from klusterkit.bundle.web import Web, WebError, collect
from klusterkit.cluster import Artifact

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Found:
    """An image in a registry."""

    sha256: str
    """Of what its name leads to: a manifest, or an index for several platforms."""
    size: int
    """Bytes that are pulled for one platform."""


class ImageSource:
    """Brings images.

    Args:
        architecture: as Go names it.
        private: the registry that has all of them, below a folder for each official one; None for the official ones.
        web: knows the registries' authorities.
        account: of the private registry.
    """

    def __init__(
        self, architecture: str, private: Place | None = None, web: Web | None = None, account: Account | None = None
    ) -> None:
        self._architecture, self._private = architecture, private
        self._web, self._account = web or Web(), account
        self._lock = threading.Lock()
        self._registries: dict[str, Registry] = {}

    def bring(self, artifact: Artifact, store: ArtifactStore, tell: Tell = lambda _: None) -> str:
        """Bring an image into the store as an archive. Returns the archive's SHA-256.

        Raises:
            ArtifactMissing, ArtifactDamaged, MirrorUnreachable, RegistryRefused, ImageUnusable.
        """
        reference = Reference.parse(artifact.name)
        registry, repository = self._place(reference)
        content = self.manifest(reference)
        made = hashlib.sha256(f"{reference.text}\n".encode() + content).hexdigest()
        known = store.known_as(made)
        if known is not None:
            return known
        blobs = parsed(ImageManifest, content, reference.text).blobs
        for sha256 in blobs:
            _fetch(registry, repository, sha256, store, tell)
        return store.make(made, lambda file: write_archive(file, reference.text, content, _reader(store)), blobs)

    def look_up(self, reference: Reference) -> Found:
        """What the registry has by this name now."""
        registry, repository = self._place(reference)
        content = registry.manifest(repository, reference.tag)
        image = parsed(ImageManifest, self._chosen(reference, content), reference.text)
        return Found(hashlib.sha256(content).hexdigest(), sum(image.blobs.values()))

    def manifest(self, reference: Reference) -> bytes:
        """The image's manifest for the architecture."""
        registry, repository = self._place(reference)
        return self._chosen(reference, registry.manifest(repository, reference.tag))

    def _chosen(self, reference: Reference, content: bytes) -> bytes:
        registry, repository = self._place(reference)
        if not _is_index(content):
            return content
        for item in parsed(Index, content, reference.text).manifests:
            if item.platform and (item.platform.os, item.platform.architecture) == ("linux", self._architecture):
                return _verified(registry.manifest(repository, item.digest), item.sha256, reference)
        raise ImageUnusable(
            f"{reference.text} has no image for Linux on {self._architecture}", hint="name another architecture"
        )

    def _place(self, reference: Reference) -> tuple[Registry, str]:
        place = self._private or Place.official(reference)
        with self._lock:
            account = self._account if self._private else None
            registry = self._registries.setdefault(place.url, Registry(place, self._web, account))
        return registry, place.repository(reference, official=self._private is None)


def _is_index(content: bytes) -> bool:
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return False  # what it is instead is told by whoever parses it
    return isinstance(found, dict) and "manifests" in found


def _verified(content: bytes, sha256: str, reference: Reference) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _damaged(f"the manifest of {reference.text}", sha256)
    return content


def _fetch(registry: Registry, repository: str, sha256: str, store: ArtifactStore, tell: Tell) -> None:
    with store.alone(sha256):
        if store.size(sha256) is not None:
            return
        try:
            collect(lambda start: registry.blob(repository, f"sha256:{sha256}", start), store.partial(sha256), tell)
        except WebError as error:
            raise registry.refused(f"{repository}/blobs/sha256:{sha256}", error) from None
        if not store.finish(sha256):
            raise _damaged(f"a blob of {repository}", sha256)


def _damaged(what: str, sha256: str) -> ArtifactDamaged:
    return ArtifactDamaged(
        f"{what} is not what its digest says", seen=f"its SHA-256 should be {sha256}", hint="mend the registry"
    )


def _reader(store: ArtifactStore) -> Callable[[str], Any]:
    def pieces(sha256: str) -> Any:
        with layout.open_file(store.path(sha256), "blob") as file:
            yield from layout.pieces(file, 0, store.size(sha256) or 0)

    return pieces
