"""Brings what a plan needs to this machine before any host is touched, and learns the digests that a plan names."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from klusterkit.bundle import ArtifactStore, Mirror
from klusterkit.cluster import Artifact
from klusterkit.plans.request import ArtifactFile
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.settings import Settings

AT_ONCE = 4


def supply(settings: Settings, artifacts: Iterable[Artifact], onlooker: Onlooker) -> dict[str, ArtifactFile]:
    """Digest and size of each artifact by its name. What isn't in the cache is fetched and verified.

    Raises:
        ArtifactMissing, ArtifactDamaged, MirrorUnreachable, DownloadCut.
    """
    mirror, store = Mirror(settings.mirror), ArtifactStore(settings.cache)

    def bring(artifact: Artifact) -> ArtifactFile:
        sha256 = mirror.checksum(artifact.checksum_path, artifact.filename)
        mirror.fetch(artifact.url_path, sha256, store, lambda size: onlooker.came(artifact.name, size))
        onlooker.ended(artifact.name)
        return ArtifactFile(sha256=sha256, size=store.path(sha256).stat().st_size)

    wanted = {artifact.name: artifact for artifact in artifacts}
    onlooker.stage(f"bringing {len(wanted)} artifacts from {settings.mirror}")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(bring, wanted.values()), strict=True))
