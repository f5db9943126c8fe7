"""Brings what a plan needs to this machine before any host is touched, and learns the digests that a plan names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from klusterkit.bundle import ArtifactStore, Mirror
from klusterkit.bundle.building import Source, bring_all
from klusterkit.bundle.images import ImageSource
from klusterkit.bundle.reference import Place
from klusterkit.bundle.registry import Account
from klusterkit.bundle.sources import Apart, FromBundle
from klusterkit.bundle.web import Web
from klusterkit.cluster import Architecture, Artifact
from klusterkit.plans.request import ArtifactFile
from klusterkit.session.hold import Hold
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.settings import OFFICIAL_SITES, RegistryAccess, Settings
from klusterkit.session.supply.trust import record_of, signed_bundle, trusted_bundle


@dataclass(frozen=True)
class Supplies:
    """What was brought."""

    files: dict[str, ArtifactFile]
    """By the artifacts' names."""
    outcome: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """What the state is to say when they have been used: which bundle they came from."""


def supply(hold: Hold, architecture: Architecture, artifacts: Iterable[Artifact], onlooker: Onlooker) -> Supplies:
    """Bring artifacts into the cache, those that it lacks, verified.

    Raises:
        ArtifactMissing, ArtifactDamaged, MirrorUnreachable, DownloadCut, BundleRefused.
    """
    wanted, settings = list(artifacts), hold.settings
    if settings.bundle is None:
        onlooker.stage(f"bringing {len(wanted)} artifacts from {settings.mirror}")
        return Supplies(_files(hold, wanted, source_of(settings, architecture), onlooker))
    onlooker.stage(f"verifying {settings.bundle}")
    with trusted_bundle(hold, settings.bundle) as bundle:
        onlooker.stage(f"taking {len(wanted)} artifacts out of {settings.bundle}")
        files = _files(hold, wanted, FromBundle(bundle), onlooker)
        return Supplies(files, {"bundle": record_of(bundle.manifest)})


def foresee_supply(hold: Hold) -> None:
    """Raise what :func:`supply` would that can be told at once, whatever is wanted: before any host is met."""
    if hold.settings.bundle is None:
        Mirror(hold.settings.mirror).foresee()
    else:
        with signed_bundle(hold, hold.settings.bundle):
            pass


def _files(hold: Hold, wanted: Sequence[Artifact], source: Source, onlooker: Onlooker) -> dict[str, ArtifactFile]:
    store = ArtifactStore(hold.settings.cache)
    digests = bring_all(wanted, _Watched(source, onlooker), store)
    sizes = {path: store.path(digest).stat().st_size for path, digest in digests.items()}
    return {item.name: ArtifactFile(sha256=digests[item.url_path], size=sizes[item.url_path]) for item in wanted}


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


def source_of(settings: Settings, architecture: Architecture) -> Source:
    """Where artifacts come from: a mirror has them all; the official sites have images in registries."""
    mirror = Mirror(settings.mirror)
    if settings.registry:
        return Apart(mirror, private_images(settings.registry, architecture))
    return Apart(mirror, ImageSource(architecture)) if settings.mirror == OFFICIAL_SITES else mirror


def private_images(registry: RegistryAccess, architecture: Architecture) -> ImageSource:
    """Images from a private registry."""
    return ImageSource(architecture, Place.parse(registry.place), Web(registry.ca), account_of(registry))


def account_of(registry: RegistryAccess) -> Account | None:
    """Who we are there."""
    return Account(registry.username, registry.password.get_secret_value()) if registry.username else None
