"""Artifacts that were fetched for later: a folder in the layout of a mirror, which is looked into before any other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from klusterkit.bundle import ArtifactStore, Mirror
from klusterkit.bundle.building import bring_all
from klusterkit.cluster import (
    CNI,
    LATEST,
    Architecture,
    Artifact,
    ArtifactKind,
    Role,
    Version,
    artifacts_for,
    release_of,
)
from klusterkit.cluster.artifacts import etcd_archive
from klusterkit.plans.create import extra_artifacts
from klusterkit.plans.request import ArtifactFile
from klusterkit.session.connect import fleet_of_one
from klusterkit.session.hold import Hold
from klusterkit.session.host.hold import HostHold
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.supply.supplies import Supplies, supply

FOLDER = "downloads"


def supply_offline(
    hold: Hold, architecture: Architecture, artifacts: Iterable[Artifact], onlooker: Onlooker
) -> Supplies:
    """As :func:`klusterkit.session.supply.supplies.supply`; what was downloaded before needs nobody to be reached.

    Raises:
        ArtifactMissing, ArtifactDamaged, MirrorUnreachable, DownloadCut, BundleRefused.
    """
    wanted = list(artifacts)
    folder = hold.settings.cache / FOLDER
    here = [each for each in wanted if (folder / each.url_path).exists() and (folder / each.checksum_path).exists()]
    others = [each for each in wanted if each not in here]
    brought = supply(hold, architecture, others, onlooker) if others else Supplies({})
    store = ArtifactStore(hold.settings.cache)
    digests = bring_all(here, Mirror(str(folder)), store)
    sizes = {path: store.path(digest).stat().st_size for path, digest in digests.items()}
    files = {item.name: ArtifactFile(sha256=digests[item.url_path], size=sizes[item.url_path]) for item in here}
    return Supplies({**brought.files, **files}, brought.outcome)


def download_etcd(hold: HostHold, version: str | None, onlooker: Onlooker) -> Path:
    """Bring etcd for the host's architecture to the folder of downloads. Returns the file."""
    with fleet_of_one(hold) as fleet:
        architecture = Architecture.parse(fleet[hold.place.name].facts().architecture)
    tag = Version.parse(version).tag if version else release_of(LATEST).etcd
    return download(hold, architecture, [etcd_archive(tag, architecture)], onlooker)[0]


def download_node(hold: HostHold, version: str | None, onlooker: Onlooker) -> list[Path]:
    """Bring all that a node of any role needs, etcd excepted, to the folder of downloads. Returns the files."""
    with fleet_of_one(hold) as fleet:
        architecture = Architecture.parse(fleet[hold.place.name].facts().architecture)
    return download(hold, architecture, _for_nodes(version, architecture), onlooker)


def node_images(version: str | None) -> list[str]:
    """References of the images that a node of any role needs."""
    return [each.name for each in _for_nodes(version, Architecture.AMD64) if each.kind is ArtifactKind.IMAGE]


def _for_nodes(version: str | None, architecture: Architecture) -> list[Artifact]:
    """A master has what any other node has."""
    kubernetes = Version.parse(version) if version else LATEST
    return node_artifacts(Role.MASTER, kubernetes, CNI(), architecture, vip=True)


def node_artifacts(role: Role, version: Version, cni: CNI, architecture: Architecture, *, vip: bool) -> list[Artifact]:
    """All that a host needs besides etcd, which is there already."""
    wanted = artifacts_for([role], version, cni, architecture, vip=vip)
    return [each for each in (*wanted, *extra_artifacts(cni)) if each.name != "etcd"]


def download(hold: Hold, architecture: Architecture, artifacts: Iterable[Artifact], onlooker: Onlooker) -> list[Path]:
    """Bring artifacts to the folder of downloads, each with what vouches for it."""
    wanted = list(artifacts)
    brought = supply(hold, architecture, wanted, onlooker)
    if brought.outcome and not hold.state.records:  # an older bundle is refused from now on; folding would end a run
        hold.state.fold(hold.snapshot.model_copy(update=brought.outcome))
    return [_kept(hold.settings.cache, artifact, brought.files[artifact.name].sha256) for artifact in wanted]


def _kept(cache: Path, artifact: Artifact, sha256: str) -> Path:
    place, vouching = cache / FOLDER / artifact.url_path, cache / FOLDER / artifact.checksum_path
    place.parent.mkdir(parents=True, exist_ok=True)
    _linked(ArtifactStore(cache).path(sha256), place)
    others = [line for line in _lines(vouching) if line.split()[-1] != artifact.filename]
    _written(vouching, [*others, f"{sha256}  {artifact.filename}"])
    return place


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _written(path: Path, lines: Iterable[str]) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_text("".join(f"{line}\n" for line in lines))
    partial.replace(path)


def _linked(source: Path, place: Path) -> None:
    partial = place.with_name(f"{place.name}.part")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    partial.replace(place)
