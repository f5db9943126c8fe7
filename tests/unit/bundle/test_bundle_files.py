"""A bundle is one file that holds each content once, says what it holds, and can be read with tar."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from klusterkit.bundle import ArtifactStore
from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.errors import BundleLacks, NotTrusted
from klusterkit.bundle.sbom import validate
from tests.support.bundles import FILES, KEY, KUBELET, STRANGER, make, members, sha256


def test_what_was_put_in_comes_out(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "cache")
    with Bundle.open(make(tmp_path / "b"), [KEY.public]) as bundle:
        bundle.verify_content()
        bundle.extract([bundle.find(path).sha256 for path in FILES], store)

    assert {path: store.path(sha256(content)).read_bytes() for path, content in FILES.items()} == FILES


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    backwards = dict(reversed(FILES.items()))

    assert make(tmp_path / "a").read_bytes() == make(tmp_path / "b", backwards).read_bytes()


def test_content_that_is_equal_is_kept_once(tmp_path: Path) -> None:
    same = {**FILES, "dl.k8s.io/release/v1.37.2/bin/linux/amd64/kubelet": FILES[KUBELET]}

    names = [name for name, _ in members(make(tmp_path / "b", same))]

    assert len([name for name in names if name.startswith("blobs/")]) == len(FILES)


def test_tar_reads_it_and_sha256sum_verifies_it(tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", make(tmp_path / "b"), "-C", tmp_path], check=True)

    sums = "".join(f"{sha256(content)}  blobs/sha256/{sha256(content)}\n" for content in FILES.values())
    subprocess.run(["sha256sum", "--check", "--quiet"], input=sums.encode(), cwd=tmp_path, check=True)


def test_it_says_which_file_it_lacks_and_what_it_is_for(tmp_path: Path) -> None:
    with Bundle.open(make(tmp_path / "b")) as bundle, pytest.raises(BundleLacks, match="kubeadm") as raised:
        bundle.find(KUBELET.replace("kubelet", "kubeadm"))

    assert "v1.36.3" in str(raised.value.seen)


def test_a_bundle_that_nobody_signed_is_not_trusted(tmp_path: Path) -> None:
    make(tmp_path / "b", key=None)

    with pytest.raises(NotTrusted, match="isn't signed"), Bundle.open(tmp_path / "b", [KEY.public]):
        pass


def test_a_bundle_that_somebody_else_signed_is_not_trusted(tmp_path: Path) -> None:
    make(tmp_path / "b", key=STRANGER)

    who = f"{STRANGER.public.name}, which isn't trusted"
    with pytest.raises(NotTrusted, match=who) as raised, Bundle.open(tmp_path / "b", [KEY.public]):
        pass

    assert KEY.public.name in str(raised.value.seen)


def test_any_of_several_keys_is_enough_so_that_keys_can_be_changed(tmp_path: Path) -> None:
    for key in (KEY, STRANGER):
        with Bundle.open(make(tmp_path / "b", key=key), [STRANGER.public, KEY.public]) as bundle:
            assert bundle.signed is not None


def test_the_trusted_comment_says_which_bundle_it_is_and_when(tmp_path: Path) -> None:
    with Bundle.open(make(tmp_path / "b"), [KEY.public]) as bundle:
        assert bundle.signed is not None
        said = dict(field.split(":", 1) for field in bundle.signed.comment.split("\t"))

    assert (said["bundle"], said["created"]) == (bundle.manifest.id, "2026-11-01T12:00:00Z")


def test_its_bill_of_materials_is_cyclonedx_by_the_schema_of_its_own_library(tmp_path: Path) -> None:
    with Bundle.open(make(tmp_path / "b")) as bundle:
        validate(bundle.sbom)
        for content in FILES.values():
            assert sha256(content) in bundle.sbom.decode()
