"""Writing images as OCI archives (OCI Image Format Specification 1.1, image layout in a tar file)."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
"""Uncompressed: the link to a lab host is faster than gunzip."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Entry:
    """One path in a layer: a file's content, a symbolic link, or a folder when both are None."""

    path: str
    content: bytes | Path | None = None
    link: str | None = None
    mode: int = 0o755


@dataclass(frozen=True)
class Start:
    """What an image starts."""

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    user: str = ""


@dataclass(frozen=True)
class Blob:
    """Content that is named by its digest."""

    content: bytes | Path
    media_type: str
    digest: str
    size: int

    @classmethod
    def of(cls, content: bytes | Path, media_type: str) -> Blob:
        """A blob of some content."""
        if isinstance(content, bytes):
            return cls(content, media_type, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))
        with content.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(content, media_type, f"sha256:{digest}", content.stat().st_size)

    def descriptor(self, annotations: dict[str, str] | None = None) -> dict[str, object]:
        """How others point at it."""
        found: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        return found | ({"annotations": annotations} if annotations else {})


@dataclass
class Layer:
    """A layer under construction; a path is taken once, and its folders come by themselves."""

    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])

    def add(self, *entries: Entry) -> None:
        """Add paths with the folders that lead to them."""
        for entry in entries:
            for parent in reversed(Path(entry.path).parents):
                if str(parent) not in (".", "/"):
                    self.entries.setdefault(str(parent), Entry(str(parent)))
            self.entries[entry.path] = entry

    def write(self, path: Path) -> None:
        """Write the layer; the same entries give the same bytes."""
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            for entry in self.entries.values():
                _add(tar, entry)


def write_image(out: Path, reference: str, layer: Layer, start: Start) -> None:
    """Write an image of one layer as an archive that `ctr images import` takes."""
    layer_file = out.with_suffix(".layer")
    layer.write(layer_file)
    blob = Blob.of(layer_file, LAYER_TYPE)
    config = Blob.of(_json(_config(start, blob.digest)), CONFIG_TYPE)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(),
        "layers": [blob.descriptor()],
    }
    write_archive(out, reference, Blob.of(_json(manifest), MANIFEST_TYPE), [config, blob])
    layer_file.unlink()


def write_archive(out: Path, reference: str, manifest: Blob, blobs: Iterable[Blob]) -> None:
    """Write a manifest and its blobs as an archive that carries the image's full name."""
    names = {
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference.rsplit(":", 1)[1],
    }
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [manifest.descriptor(names)]}
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, Entry("oci-layout", _json({"imageLayoutVersion": "1.0.0"}), mode=0o644))
        _add(tar, Entry("index.json", _json(index), mode=0o644))
        for folder in ("blobs", "blobs/sha256"):
            _add(tar, Entry(folder))
        for blob in {blob.digest: blob for blob in (manifest, *blobs)}.values():
            _add(tar, Entry(f"blobs/{blob.digest.replace(':', '/')}", blob.content, mode=0o644))


def _config(start: Start, layer_digest: str) -> dict[str, object]:
    config: dict[str, object] = {"Env": [f"PATH={PATH}"]}
    if start.entrypoint:
        config["Entrypoint"] = list(start.entrypoint)
    if start.cmd:
        config["Cmd"] = list(start.cmd)
    if start.user:
        config["User"] = start.user
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    }


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path)
    info.mode = entry.mode
    if entry.link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
        tar.addfile(info)
    elif entry.content is None:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    elif isinstance(entry.content, bytes):
        info.size = len(entry.content)
        tar.addfile(info, io.BytesIO(entry.content))
    else:
        info.size = entry.content.stat().st_size
        with entry.content.open("rb") as stream:
            tar.addfile(info, stream)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
