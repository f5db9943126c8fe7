"""Artifacts on the control machine: from the sites, a mirror, a registry or a bundle; verified, and kept by digest."""

from klusterkit.bundle.mirror import ArtifactDamaged, ArtifactMissing, DownloadCut, Mirror, MirrorUnreachable
from klusterkit.bundle.store import ArtifactStore

__all__ = ["ArtifactDamaged", "ArtifactMissing", "ArtifactStore", "DownloadCut", "Mirror", "MirrorUnreachable"]
