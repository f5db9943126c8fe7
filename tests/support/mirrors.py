"""Mirrors with made-up files: all names that two versions of Kubernetes need, and contents that cost nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from klusterkit.bundle.imagearchive import MANIFEST_TYPE, write_archive
from klusterkit.cluster import Architecture, Artifact, ArtifactKind, Version
from klusterkit.session.supply.contents import contents_of

VERSIONS = ("1.36.3", "1.37.2")


def made_up(artifact: Artifact) -> bytes:
    """A content that is as long as its name is."""
    return f"{artifact.name} {artifact.version} ".encode() * 200


def make_mirror(root: Path) -> Path:
    """A mirror in the sites' layout with made-up files for two versions, and images that are images."""
    versions = [Version.parse(text) for text in VERSIONS]
    for artifact in contents_of(versions, Architecture.AMD64).artifacts:
        path = root / artifact.url_path
        path.parent.mkdir(parents=True, exist_ok=True)
        if artifact.kind is ArtifactKind.IMAGE:
            layer = made_up(artifact)
            digest = hashlib.sha256(layer).hexdigest()
            point = {"mediaType": "application/octet-stream", "digest": f"sha256:{digest}", "size": len(layer)}
            said = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": point, "layers": [point]}
            manifest = json.dumps(said).encode()
            with path.open("wb") as file:
                write_archive(file, artifact.name, manifest, lambda _, layer=layer: [layer])
        else:
            path.write_bytes(made_up(artifact))
        sums = root / artifact.checksum_path
        line = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {artifact.filename}\n"
        sums.write_text(sums.read_text() + line if sums.exists() and "SUMS" in sums.name.upper() else line)
    return root
