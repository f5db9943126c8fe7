"""Where artifacts come from: the official sites, a company's mirror of them, or a folder, all in one layout.

A path below a mirror begins with the site's name: ``dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet``. So the mirror
``https://`` is the official sites themselves. Checksums are read from where each site publishes them.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from klusterkit.bundle.store import ArtifactStore
from klusterkit.engine.errors import UsageError

CHUNK = 1 << 20
TIMEOUT = 30.0
"""Seconds that a server may take to answer, or between two pieces of an answer."""

_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


class ArtifactMissing(UsageError):
    """The mirror doesn't hold an artifact or its checksum."""


class MirrorUnreachable(UsageError):
    """The mirror can't be asked."""


class ArtifactDamaged(UsageError):
    """What the mirror holds isn't what its own checksum says."""


class Mirror:
    """A mirror's root: a folder, or a ``file://``, ``http://`` or ``https://`` address."""

    def __init__(self, root: str) -> None:
        self.root = root.removeprefix("file://")
        self._remote = root.startswith(("http://", "https://"))

    def address(self, path: str) -> str:
        """Where this path is, for messages."""
        if self.root == "https://":
            return f"https://{path}"
        return f"{self.root.rstrip('/')}/{path}"

    def checksum(self, path: str, name: str) -> str:
        """The SHA-256 that the checksum file at ``path`` gives for the file ``name``.

        The sites publish it as the bare digest (dl.k8s.io), as a ``sha256sum`` line, or as a list of such lines.

        Raises:
            ArtifactMissing, MirrorUnreachable, ArtifactDamaged: the file holds no digest for this name.
        """
        with self._open(path, 0) as answer:
            text = answer.read(CHUNK).decode(errors="replace")
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
            ArtifactMissing, MirrorUnreachable, ArtifactDamaged.
        """
        if store.size(sha256) is not None:
            return
        if self._remote:
            self._download(path, sha256, store, tell)
            right = store.finish(sha256)
        else:
            right = store.adopt(self._local(path), sha256)
        if not right:
            raise ArtifactDamaged(
                f"{self.address(path)} is not what its checksum says",
                seen=f"its SHA-256 should be {sha256}",
                hint="fetch the file again into the mirror, or name another mirror with --mirror",
            )

    def _download(self, path: str, sha256: str, store: ArtifactStore, tell: Callable[[int], None]) -> None:
        partial = store.partial(sha256)
        start = partial.stat().st_size if partial.exists() else 0
        with self._open(path, start) as answer, partial.open("r+b" if start else "wb") as file:
            file.seek(start if getattr(answer, "status", 200) == 206 else 0)
            file.truncate()
            while piece := answer.read(CHUNK):
                file.write(piece)
                tell(len(piece))

    def _local(self, path: str) -> Path:
        found = Path(self.root) / path
        if not found.is_file():
            raise self._missing(path)
        return found

    def _missing(self, path: str) -> ArtifactMissing:
        known = "" if self._remote or Path(self.root).is_dir() else f"; there is no folder {self.root}"
        return ArtifactMissing(
            f"no artifact at {self.address(path)}{known}",
            hint="choose a version that the mirror has (--kubernetes-version), or name another mirror with --mirror",
        )

    def _open(self, path: str, start: int) -> BinaryIO:
        if not self._remote:
            return self._local(path).open("rb")
        request = urllib.request.Request(self.address(path), headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310 - http(s) only
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310
        except urllib.error.HTTPError as error:
            if error.code == 416:  # all of it is here already: the checksum decides
                return self._empty()
            if error.code in (403, 404, 410):
                raise self._missing(path) from None
            raise self._unreachable(path, f"HTTP status {error.code}") from None
        except OSError as error:
            raise self._unreachable(path, str(getattr(error, "reason", error))) from None

    @staticmethod
    def _empty() -> BinaryIO:
        import io

        answer = io.BytesIO()
        answer.status = 206  # type: ignore[attr-defined]
        return answer

    def _unreachable(self, path: str, why: str) -> MirrorUnreachable:
        return MirrorUnreachable(
            f"{self.address(path)} can't be reached: {why}",
            hint="without the internet, name a mirror of the sites: --mirror FOLDER|URL or KLUSTERKIT_MIRROR",
        )
