"""Small bundles for tests, well made and ill made."""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from klusterkit.bundle import ArtifactStore
from klusterkit.bundle.building import sign_manifest
from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.errors import BundleRefused
from klusterkit.bundle.layout import END, Member, header, padding
from klusterkit.bundle.manifest import Entry, Kind, Manifest
from klusterkit.bundle.sbom import describe
from klusterkit.bundle.signingkey import SigningKey
from klusterkit.bundle.writing import Head, write

CREATED = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEY = SigningKey(b"8 bytes!", b"a seed that is thirty-two bytes!")
STRANGER = SigningKey(b"other id", b"a seed that somebody else knows!")

KUBELET = "dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
PAUSE = "images/registry.k8s.io/pause/3.10.2.tar"
FILES: Mapping[str, bytes] = {KUBELET: b"a kubelet" * 1000, PAUSE: b"p" * 512, "klusterkit/empty": b""}


def entry(path: str, content: bytes, **fields: object) -> Entry:
    version = re.search(r"v\d+\.\d+\.\d+", path)
    named = {"name": path.rpartition("/")[2], "version": version[0] if version else "v1.36.3"}
    given = {"kind": Kind.BINARY, **named, **fields}
    return Entry.model_validate({"path": path, "sha256": sha256(content), "size": len(content), **given})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest_of(files: Mapping[str, bytes], *, created: datetime = CREATED) -> tuple[Manifest, bytes]:
    entries = [entry(path, content) for path, content in files.items()]
    bill = describe(entries, {}, CREATED, "0.1")
    return Manifest.of(entries, bill, created=created, architecture="amd64", kubernetes=["v1.36.3"]), bill


def make(
    path: Path,
    files: Mapping[str, bytes] = FILES,
    *,
    key: SigningKey | None = KEY,
    created: datetime = CREATED,
) -> Path:
    """A bundle as `cctl bundle build` writes it."""
    manifest, bill = manifest_of(files, created=created)
    contents = {sha256(content): content for content in files.values()}
    signature = sign_manifest(manifest, key, created) if key else None
    write(path, Head(manifest, signature, bill), manifest.blobs, lambda digest: [contents[digest]])
    return path


def members(path: Path) -> list[tuple[str, bytes]]:
    """Names and contents of everything in a bundle, as any tar reads it."""
    with tarfile.open(path, "r:") as tar:
        return [(info.name, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]


def raw(name: str, content: bytes) -> bytes:
    """A member as bundles have them."""
    return header(Member(name, len(content))) + content + bytes(padding(len(content)))


def hostile(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A member as tar allows them."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info.tobuf(form)


def forge(path: Path, *parts: bytes) -> Path:
    """A file of such members."""
    path.write_bytes(b"".join([*parts, END]))
    return path


def refused(path: Path) -> str:
    """Verify and unpack as every command does. Returns what was said, when nothing was unpacked."""
    store = ArtifactStore(path.parent / "cache")
    with pytest.raises(BundleRefused) as raised:
        unpack(path, store)
    assert list(store) == []
    assert raised.value.hint
    assert str(path) in raised.value.message
    return raised.value.message


def unpack(path: Path, store: ArtifactStore, meanwhile: Callable[[], object] = lambda: None) -> None:
    """All of a bundle into the store; `meanwhile` happens between verifying and unpacking."""
    with Bundle.open(path, [KEY.public]) as bundle:
        bundle.verify_content()
        meanwhile()
        bundle.extract(bundle.manifest.blobs, store)
