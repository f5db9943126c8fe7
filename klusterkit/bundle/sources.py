"""Where artifacts come from, as the operator said: one place for files, one for images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from klusterkit.bundle.building import Source
from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.store import ArtifactStore
from klusterkit.cluster import Artifact, ArtifactKind


@dataclass(frozen=True)
class Apart:
    """Images from one source, everything else from another."""

    files: Source
    images: Source

    def bring(self, artifact: Artifact, store: ArtifactStore, tell: Callable[[int], None] = lambda _: None) -> str:
        """Bring an artifact into the store."""
        source = self.images if artifact.kind is ArtifactKind.IMAGE else self.files
        return source.bring(artifact, store, tell)


@dataclass(frozen=True)
class FromBundle:
    """From a bundle, verified as a whole before anything is taken out of it."""

    bundle: Bundle

    def bring(self, artifact: Artifact, store: ArtifactStore, tell: Callable[[int], None] = lambda _: None) -> str:
        """Take an artifact out into the store."""
        _ = tell
        entry = self.bundle.find(artifact.url_path)
        self.bundle.extract([entry.sha256], store)
        return entry.sha256
