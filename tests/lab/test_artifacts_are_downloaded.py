"""Where the official sites answer, the mirror is filled from them, and only with what they announced."""

from __future__ import annotations

import hashlib
import json
import socket
import tarfile
from collections.abc import Generator
from pathlib import Path

import pytest
from kklab.artifacts import catalogue, layout, mirror
from kklab.artifacts.sites import Sites

from tests.lab.conftest import Lab
from tests.lab.official_sites import OfficialSites, official_sites

KUBEADM = "dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubeadm"
APISERVER = "images/registry.k8s.io/kube-apiserver/v1.36.3.tar"
BUILD = ("artifacts", "build", "--minor", "1.36", "--from", "official", "--official-base")


@pytest.fixture
def sites() -> Generator[OfficialSites]:
    with official_sites() as server:
        yield server


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The lab's command with an empty cache."""
    monkeypatch.setenv("KLUSTERKIT_LAB_CACHE", str(tmp_path / "cache"))
    return Lab("test-download")


def path_in_mirror(lab: Lab, path: str) -> Path:
    return Path(lab("artifacts", "path")) / path


def test_the_mirror_has_the_official_paths_of_the_wanted_minor(lab: Lab, sites: OfficialSites) -> None:
    lab(*BUILD, sites.base)
    root = Path(lab("artifacts", "path"))
    for site in ("dl.k8s.io", "github.com", "images"):
        assert (root / site).is_dir()
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert {KUBEADM, f"{KUBEADM}.sha256", APISERVER, f"{APISERVER}.sha256"} <= files
    assert "github.com/etcd-io/etcd/releases/download/v3.6.16/SHA256SUMS" in files
    assert "images/docker.io/library/busybox/1.35.tar" in files
    assert not any("1.37" in path for path in files)


def test_a_pulled_image_is_a_whole_archive_for_this_platform(lab: Lab, sites: OfficialSites) -> None:
    lab(*BUILD, sites.base)
    with tarfile.open(path_in_mirror(lab, APISERVER)) as archive:
        content = {item.name: stream.read() for item in archive if (stream := archive.extractfile(item))}
    (entry,) = json.loads(content["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == "registry.k8s.io/kube-apiserver:v1.36.3"
    manifest = json.loads(content[f"blobs/{entry['digest'].replace(':', '/')}"])
    for item in (entry, manifest["config"], *manifest["layers"]):
        blob = content[f"blobs/{item['digest'].replace(':', '/')}"]
        assert f"sha256:{hashlib.sha256(blob).hexdigest()}" == item["digest"]
        assert len(blob) == item["size"]
    assert content[f"blobs/{manifest['layers'][0]['digest'].replace(':', '/')}"].startswith(b"layer of")


def test_a_second_build_downloads_nothing(lab: Lab, sites: OfficialSites) -> None:
    lab(*BUILD, sites.base)
    sites.asked.clear()
    lab(*BUILD, sites.base)
    assert sites.asked == []


@pytest.mark.parametrize(
    "spoiled",
    ["/kubeadm", "/runc.amd64", "etcd-v3.6.16-linux-amd64.tar.gz"],
)
def test_a_file_with_a_wrong_checksum_is_refused_and_not_kept(lab: Lab, sites: OfficialSites, spoiled: str) -> None:
    sites.spoiled.add(spoiled)
    refused = lab.try_(*BUILD, sites.base)
    assert refused.returncode == 1
    assert "wrong checksum" in refused.stderr
    assert spoiled in refused.stderr
    assert not [path for path in path_in_mirror(lab, ".").rglob("*") if str(path).endswith(spoiled)]
    sites.spoiled.clear()
    lab(*BUILD, sites.base)
    assert path_in_mirror(lab, KUBEADM).read_text().startswith("content of")


def test_a_layer_with_a_wrong_digest_is_refused(lab: Lab, sites: OfficialSites) -> None:
    layer = hashlib.sha256(b"layer of /registry.k8s.io/v2/pause").hexdigest()
    sites.spoiled.add(layer)
    refused = lab.try_(*BUILD, sites.base)
    assert refused.returncode == 1
    assert "wrong checksum" in refused.stderr
    assert layer in refused.stderr


def test_a_site_that_nobody_answers_for_is_an_error_with_its_address(lab: Lab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
        refused = lab.try_(*BUILD, base)
    assert refused.returncode == 1
    assert f"{base}/github.com/containerd" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_address_that_is_none_is_refused(lab: Lab) -> None:
    refused = lab.try_(*BUILD, "ftp://mirror")
    assert refused.returncode == 1
    assert "http://" in refused.stderr


@pytest.mark.usefixtures("lab")
def test_auto_downloads_where_the_site_answers_and_builds_elsewhere(sites: OfficialSites) -> None:
    answering = Sites(sites.base)
    (item, *_) = catalogue.items(["1.36"], answering)
    assert mirror.choose(item, "auto", answering, mirror.store()) is item.official
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        nobody = Sites(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert mirror.choose(item, "auto", nobody, mirror.store()) is item.source


def test_auto_keeps_what_is_there_without_asking_anybody(lab: Lab, sites: OfficialSites) -> None:
    lab(*BUILD, sites.base)
    sites.asked.clear()
    lab("artifacts", "build", "--minor", "1.36", "--official-base", sites.base)
    assert sites.asked == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A" * 64, "a" * 64),
        ("b" * 64 + "\n", "b" * 64),
        ("c" * 64 + "  thing\n", "c" * 64),
        ("d" * 64 + " *thing\n", "d" * 64),
        ("e" * 64 + "  ./some/thing\n", "e" * 64),
        ("0" * 64 + "  other\n" + "f" * 64 + "  thing\n", "f" * 64),
        ("0" * 64 + "  nothing\n", None),
        ("<html>not found</html>", None),
        ("", None),
    ],
)
def test_checksums_are_read_in_every_form_that_sites_use(text: str, found: str | None) -> None:
    assert layout.checksum_in(text, "thing") == found
