"""A bundle's images put into a private registry, so that clusters can run from it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.imagearchive import ImageArchive, ImageManifest, parsed
from klusterkit.bundle.manifest import Entry, Kind
from klusterkit.bundle.reference import Place, Reference
from klusterkit.bundle.registry import Registry
from klusterkit.bundle.store import ArtifactStore

AT_ONCE = 4


def publish(
    bundle: Bundle, registry: Registry, place: Place, store: ArtifactStore, tell: Callable[[str], None] = lambda _: None
) -> int:
    """Put all images of a verified bundle into a registry. What it has already isn't sent again.

    Args:
        bundle: has them.
        registry: gets each below a folder of its official registry's name.
        place: where that is.
        store: keeps them on this machine meanwhile.
        tell: told the images' names, as they have arrived.

    Returns:
        How many there are.

    Raises:
        RegistryRefused, MirrorUnreachable, ImageUnusable, BundleDamaged.
    """
    images = [entry for entry in bundle.manifest.entries if entry.kind is Kind.IMAGE]

    def put(entry: Entry) -> None:
        bundle.extract([entry.sha256], store)
        reference = Reference.parse(entry.name)
        with ImageArchive.open(store.path(entry.sha256)) as archive:
            _put(archive, registry, place.repository(reference), reference)
        tell(entry.name)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(put, images))
    return len(images)


def _put(archive: ImageArchive, registry: Registry, repository: str, reference: Reference) -> None:
    manifest = parsed(ImageManifest, archive.manifest, reference.text)
    for sha256, size in manifest.blobs.items():
        registry.put_blob(repository, sha256, size, lambda sha256=sha256: archive.pieces(sha256))
    registry.put_manifest(repository, reference.tag, manifest.mediaType, archive.manifest)
