"""Making a bundle: everything is brought into the cache first, verified, and then written as one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from klusterkit import __version__
from klusterkit.bundle import layout
from klusterkit.bundle.imagearchive import manifest_digest
from klusterkit.bundle.manifest import Entry, Kind, Manifest
from klusterkit.bundle.signingkey import SigningKey
from klusterkit.bundle.store import ArtifactStore
from klusterkit.bundle.writing import Head, write
from klusterkit.cluster import Artifact

AT_ONCE = 4

Tell = Callable[[str, int], None]
"""Told the bytes of an artifact, by its name, that have come."""


class Source(Protocol):
    """Whatever has artifacts."""

    def bring(self, artifact: Artifact, store: ArtifactStore, tell: Callable[[int], None] = ...) -> str:
        """Bring an artifact into the store, verified. Returns its SHA-256."""
        ...


@dataclass(frozen=True)
class OwnFile:
    """A file that KlusterKit writes itself."""

    path: str
    kind: Kind
    name: str
    version: str
    content: bytes


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle."""

    kubernetes: Sequence[str]
    """Versions."""
    architecture: str
    artifacts: Sequence[Artifact]
    own: Sequence[OwnFile]


def bring_all(
    artifacts: Iterable[Artifact], source: Source, store: ArtifactStore, tell: Tell = lambda _, __: None
) -> dict[str, str]:
    """Bring artifacts into the store, several at a time. Returns their digests by their paths."""
    wanted = {artifact.url_path: artifact for artifact in artifacts}

    def bring(artifact: Artifact) -> str:
        return source.bring(artifact, store, lambda size: tell(artifact.name, size))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(bring, wanted.values()), strict=True))


def build(
    contents: Contents,
    source: Source,
    store: ArtifactStore,
    out: Path,
    *,
    created: datetime,
    key: SigningKey | None = None,
    tell: Tell = lambda _, __: None,
) -> Manifest:
    """Write a bundle. What was downloaded before an interruption isn't downloaded again.

    Args:
        contents: what goes into it.
        source: has it.
        store: keeps it on this machine.
        out: the file.
        created: what the bundle says; equal content and time give equal bytes.
        key: signs it.
        tell: told what comes.
    """
    digests = bring_all(contents.artifacts, source, store, tell)
    artifacts = {artifact.url_path: artifact for artifact in contents.artifacts}
    entries = [_entry(artifacts[path], digest, store) for path, digest in digests.items()]
    entries += [_own(file, store) for file in contents.own]
    text = _bill(entries, store, created)
    manifest = Manifest.of(
        entries, text, created=created, architecture=contents.architecture, kubernetes=contents.kubernetes
    )
    signature = sign_manifest(manifest, key, created) if key else None
    write(out, Head(manifest, signature, text), manifest.blobs, lambda digest: _stored(store, digest))
    return manifest


def sign_manifest(manifest: Manifest, key: SigningKey, at: datetime) -> bytes:
    """A signature of the manifest, which names everything else by its digest."""
    kubernetes = ",".join(manifest.kubernetes)
    said = {"timestamp": int(at.timestamp()), "file": layout.MANIFEST, "bundle": manifest.id, "kubernetes": kubernetes}
    comment = "\t".join(f"{name}:{value}" for name, value in {**said, "created": manifest.created}.items())
    return key.sign(manifest.content, comment).content


def _bill(entries: Sequence[Entry], store: ArtifactStore, created: datetime) -> bytes:
    from klusterkit.bundle import sbom  # it takes 70 ms to import

    images = ((entry, manifest_digest(store.path(entry.sha256))) for entry in entries if entry.kind is Kind.IMAGE)
    known = {entry.name: digest for entry, digest in images if digest}
    return sbom.describe(entries, known, created, __version__)


def _entry(artifact: Artifact, digest: str, store: ArtifactStore) -> Entry:
    return Entry(
        path=artifact.url_path,
        kind=Kind(artifact.kind),
        name=artifact.name,
        version=artifact.version,
        sha256=digest,
        size=store.path(digest).stat().st_size,
    )


def _own(file: OwnFile, store: ArtifactStore) -> Entry:
    digest = sha256(file.content).hexdigest()
    store.receive(digest, [file.content])
    return Entry(
        path=file.path,
        kind=file.kind,
        name=file.name,
        version=file.version,
        sha256=digest,
        size=len(file.content),
    )


def _stored(store: ArtifactStore, digest: str) -> Iterator[bytes]:
    with layout.open_file(store.path(digest), "artifact") as file:
        yield from layout.pieces(file, 0, store.size(digest) or 0)
