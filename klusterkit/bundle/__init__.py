"""Artifacts on the control machine: found on a mirror, verified, kept by digest."""

from klusterkit.bundle.mirror import ArtifactDamaged, ArtifactMissing, DownloadCut, Mirror, MirrorUnreachable
from klusterkit.bundle.store import ArtifactStore

__all__ = ["ArtifactDamaged", "ArtifactMissing", "ArtifactStore", "DownloadCut", "Mirror", "MirrorUnreachable"]
