"""Components downloaded from the official sites into the layout that building gives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from kklab.artifacts import layout, oci
from kklab.artifacts.component import Bench, Component
from kklab.artifacts.sites import Sites
from kklab.errors import LabError

MANIFEST_TYPES = ", ".join(
    (
        oci.INDEX_TYPE,
        oci.MANIFEST_TYPE,
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
USUAL_SECONDS = 15.0


class Descriptor(TypedDict):
    """How a manifest points at content."""

    mediaType: str
    digest: str
    size: int
    platform: NotRequired[dict[str, str]]


class Manifest(TypedDict):
    """An image for one platform."""

    mediaType: NotRequired[str]
    config: Descriptor
    layers: list[Descriptor]


class Index(TypedDict):
    """An image for several platforms."""

    manifests: list[Descriptor]


def files(name: str, version: str, wanted: Sequence[layout.File], sites: Sites) -> Component:
    """Files with the checksums that their site announces."""

    def make(_: Bench, out: Path) -> None:
        for file in wanted:
            sites.fetch_checked(file, out)
            (out / file.path).chmod(0o755)

    recipe = {"official": [file.path for file in wanted]}
    return Component(name, version, recipe, USUAL_SECONDS, make)


def image(reference: str, name: str, version: str, sites: Sites) -> Component:
    """An image pulled from its registry (OCI Distribution Specification 1.1), for Linux on amd64."""

    def make(bench: Bench, out: Path) -> None:
        file = layout.image(reference)
        archive = out / file.path
        archive.parent.mkdir(parents=True)
        manifest, blobs = _pull(reference, bench.scratch, sites)
        oci.write_archive(archive, reference, manifest, blobs)
        layout.write_checksum(out, file)

    return Component(name, version, {"official": reference}, USUAL_SECONDS, make)


def _pull(reference: str, scratch: Path, sites: Sites) -> tuple[oci.Blob, list[oci.Blob]]:
    path, tag = reference.rsplit(":", 1)
    registry, repository = path.split("/", 1)
    root = f"{registry}/v2/{repository}"
    content = _manifest(root, tag, sites)
    if "manifests" in json.loads(content):
        chosen = _for_this_platform(cast(Index, json.loads(content))["manifests"], reference)
        content = _manifest(root, chosen, sites)
        if (found := oci.Blob.of(content, "").digest) != chosen:
            raise LabError(f"{reference}: the manifest has the wrong digest: {found}, announced {chosen}")
    parsed = cast(Manifest, json.loads(content))
    blobs: list[oci.Blob] = []
    for item in (parsed["config"], *parsed["layers"]):
        wanted = item["digest"].removeprefix("sha256:")
        sites.fetch(f"{root}/blobs/{item['digest']}", scratch / wanted, wanted)
        blobs.append(oci.Blob.of(scratch / wanted, item["mediaType"]))
    return oci.Blob.of(content, parsed.get("mediaType", oci.MANIFEST_TYPE)), blobs


def _manifest(root: str, name: str, sites: Sites) -> bytes:
    return sites.read(f"{root}/manifests/{name}", {"Accept": MANIFEST_TYPES})


def _for_this_platform(manifests: list[Descriptor], reference: str) -> str:
    for item in manifests:
        platform = item.get("platform", {})
        if platform.get("os") == "linux" and platform.get("architecture") == "amd64":
            return item["digest"]
    raise LabError(f"{reference} has no image for Linux on amd64")
