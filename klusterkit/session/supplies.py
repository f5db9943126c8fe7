"""Brings what a plan needs to this machine before any host is touched, and learns the digests that a plan names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from klusterkit.bundle import ArtifactStore, Mirror
from klusterkit.bundle.building import Source, bring_all
from klusterkit.bundle.images import ImageSource
from klusterkit.bundle.reference import Place
from klusterkit.bundle.registry import Account
from klusterkit.bundle.sources import Apart
from klusterkit.bundle.web import Web
from klusterkit.cluster import Architecture, Artifact
from klusterkit.plans.request import ArtifactFile
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.settings import OFFICIAL_SITES, RegistryAccess, Settings


def supply(
    settings: Settings, architecture: Architecture, artifacts: Iterable[Artifact], onlooker: Onlooker
) -> dict[str, ArtifactFile]:
    """Digest and size of each artifact by its name. What isn't in the cache is fetched and verified.

    Raises:
        ArtifactMissing, ArtifactDamaged, MirrorUnreachable, DownloadCut.
    """
    wanted, store = list(artifacts), ArtifactStore(settings.cache)
    onlooker.stage(f"bringing {len(wanted)} artifacts from {settings.mirror}")
    digests = bring_all(wanted, _Watched(source_of(settings, architecture), onlooker), store)
    return {item.name: _found(digests[item.url_path], store) for item in wanted}


@dataclass(frozen=True)
class _Watched:
    """A source whose work somebody follows."""

    source: Source
    onlooker: Onlooker

    def bring(self, artifact: Artifact, store: ArtifactStore, tell: Callable[[int], None] = lambda _: None) -> str:
        def came(size: int) -> None:
            tell(size)
            self.onlooker.came(artifact.name, size)

        sha256 = self.source.bring(artifact, store, came)
        self.onlooker.ended(artifact.name)
        return sha256


def _found(sha256: str, store: ArtifactStore) -> ArtifactFile:
    return ArtifactFile(sha256=sha256, size=store.path(sha256).stat().st_size)


def source_of(settings: Settings, architecture: Architecture) -> Source:
    """Where artifacts come from: a mirror has them all; the official sites have images in registries."""
    mirror = Mirror(settings.mirror)
    if settings.registry:
        return Apart(mirror, private_images(settings.registry, architecture))
    return Apart(mirror, ImageSource(architecture)) if settings.mirror == OFFICIAL_SITES else mirror


def private_images(registry: RegistryAccess, architecture: Architecture) -> ImageSource:
    """Images from a private registry."""
    account = Account(registry.username, registry.password.get_secret_value()) if registry.username else None
    return ImageSource(architecture, Place.parse(registry.place), Web(registry.ca), account)
