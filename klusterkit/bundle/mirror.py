"""Where artifacts come from: the official sites, a company's mirror of them, or a folder, all in one layout.

A path below a mirror begins with the site's name: ``dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet``. So the mirror
``https://`` is the official sites themselves. Checksums are read from where each site publishes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from klusterkit.bundle.store import ArtifactStore
from klusterkit.bundle.web import CHUNK, Answer, Web, WebError, collect
from klusterkit.cluster import Artifact
from klusterkit.engine.errors import KlusterKitError, TemporaryError, UsageError

_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


class ArtifactMissing(UsageError):
    """The mirror doesn't hold an artifact or its checksum."""


class MirrorUnreachable(UsageError):
    """The mirror can't be asked."""


class DownloadCut(TemporaryError):
    """The mirror began to answer and didn't end. What has come is kept."""


class ArtifactDamaged(UsageError):
    """What the mirror holds isn't what its own checksum says."""


class Mirror:
    """A mirror's root: a folder, or a ``file://``, ``http://`` or ``https://`` address."""

    def __init__(self, root: str, web: Web | None = None) -> None:
        self.root = root.removeprefix("file://")
        self._web = (web or Web()) if root.startswith(("http://", "https://")) else None

    def address(self, path: str) -> str:
        """Where this path is, for messages."""
        if self.root == "https://":
            return f"https://{path}"
        return f"{self.root.rstrip('/')}/{path}"

    def foresee(self) -> None:
        """Raise ``MirrorUnreachable`` where it is a folder that isn't there. What is remote isn't asked."""
        if self._web is None and not Path(self.root).is_dir():
            raise MirrorUnreachable(f"there is no folder {self.root}", hint="name another mirror with --mirror")

    def bring(self, artifact: Artifact, store: ArtifactStore, tell: Callable[[int], None] = lambda _: None) -> str:
        """Bring an artifact into the store. Returns its SHA-256."""
        sha256 = self.checksum(artifact.checksum_path, artifact.filename)
        self.fetch(artifact.url_path, sha256, store, tell)
        return sha256

    def checksum(self, path: str, name: str) -> str:
        """The SHA-256 that the checksum file at ``path`` gives for the file ``name``.

        The sites publish it as the bare digest (dl.k8s.io), as a ``sha256sum`` line, or as a list of such lines.

        Raises:
            ArtifactMissing, MirrorUnreachable, ArtifactDamaged: the file holds no digest for this name.
        """
        text = self._read(path).decode(errors="replace")
        lines = [line for line in text.splitlines() if _DIGEST.search(line)]
        named = [line for line in lines if line.split()[-1].lstrip("*").rpartition("/")[2] == name]
        chosen = named or (lines if len(lines) == 1 and len(lines[0].split()) == 1 else [])
        if not chosen:
            raise ArtifactDamaged(
                f"no SHA-256 for {name} in {self.address(path)}", hint="mend the mirror, or name another with --mirror"
            )
        return _DIGEST.search(chosen[0])[0]  # type: ignore[index]

    def fetch(self, path: str, sha256: str, store: ArtifactStore, tell: Callable[[int], None] = lambda _: None) -> None:
        """Bring a file into the store, unless it is there. A download that was cut is gone on with.

        Args:
            path: below the mirror.
            sha256: what its content must have.
            store: where it goes.
            tell: told the bytes that have come, piece by piece.

        Raises:
            ArtifactMissing, MirrorUnreachable, DownloadCut, ArtifactDamaged.
            UsageError: this machine can't keep it.
        """
        with store.alone(sha256):
            right = store.size(sha256) is not None or self._bring(path, sha256, store, tell)
        if not right:
            raise ArtifactDamaged(
                f"{self.address(path)} is not what its checksum says",
                seen=f"its SHA-256 should be {sha256}",
                hint="fetch the file again into the mirror, or name another mirror with --mirror",
            )

    def _bring(self, path: str, sha256: str, store: ArtifactStore, tell: Callable[[int], None]) -> bool:
        if self._web is None:
            return store.adopt(self._local(path), sha256)
        try:
            collect(lambda start: self._open(path, start), store.partial(sha256), tell)
        except WebError as error:
            raise self._refused(path, error) from None
        return store.finish(sha256)

    def _read(self, path: str) -> bytes:
        if self._web is None:
            return self._local(path).read_bytes()[:CHUNK]
        try:
            with self._open(path, 0) as answer:
                return answer.whole(CHUNK)
        except WebError as error:
            raise self._refused(path, error) from None

    def _open(self, path: str, start: int) -> Answer:
        assert self._web is not None  # noqa: S101 - only remote mirrors are opened
        return self._web.open(self.address(path), {"Range": f"bytes={start}-"} if start else {})

    def _local(self, path: str) -> Path:
        found = Path(self.root) / path
        if not found.is_file():
            raise self._missing(path)
        return found

    def _refused(self, path: str, error: WebError) -> KlusterKitError:
        if error.status in (403, 404, 410):
            return self._missing(path)
        if error.cut:
            return DownloadCut(
                f"{self.address(path)} came only in part: {error}",
                hint="run the command again when the link is back: what has come is kept, and gone on with",
            )
        return MirrorUnreachable(
            f"{self.address(path)} can't be reached: {error}",
            hint="without the internet, name a bundle (--bundle FILE) or a mirror of the sites (--mirror FOLDER|URL)",
        )

    def _missing(self, path: str) -> ArtifactMissing:
        known = "" if self._web or Path(self.root).is_dir() else f"; there is no folder {self.root}"
        return ArtifactMissing(
            f"no artifact at {self.address(path)}{known}",
            hint="choose a version that the mirror has (--kubernetes-version), or name another mirror with --mirror",
        )
