"""The real minisign verifies what we sign, signs what we verify, and makes keys that we take."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest

from klusterkit.bundle.building import sign_manifest
from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.manifest import Entry, Kind, Manifest
from klusterkit.bundle.minisign import PublicKey
from klusterkit.bundle.signingkey import SigningKey
from klusterkit.bundle.writing import Head, write
from klusterkit.session.supply.bundles import now, put_signature

pytestmark = pytest.mark.hosts

CONTENT = b"a kubelet"


def minisign(folder: Path, *arguments: str, typed: str = "") -> str:
    done = subprocess.run(["minisign", *arguments], cwd=folder, input=typed, capture_output=True, text=True, check=True)
    return done.stdout


def make(folder: Path, key: SigningKey | None) -> Path:

    entry = Entry(
        path="dl.k8s.io/kubelet",
        kind=Kind.BINARY,
        name="kubelet",
        version="v1.36.3",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )
    manifest = Manifest.of([entry], b"{}", created=now(), architecture="amd64", kubernetes=["v1.36.3"])
    signature = sign_manifest(manifest, key, now()) if key else None
    write(folder / "a.bundle", Head(manifest, signature, b"{}"), manifest.blobs, lambda _: [CONTENT])
    return folder / "a.bundle"


def test_minisign_verifies_what_we_sign_with_the_comment_that_we_give(tmp_path: Path) -> None:
    key = SigningKey.create()
    (tmp_path / "key.pub").write_text(key.public.file)
    subprocess.run(["tar", "-xf", make(tmp_path, key), "-C", tmp_path], check=True)

    said = minisign(tmp_path, "-V", "-m", "manifest.json", "-p", "key.pub")

    assert "verified" in said
    assert "kubernetes:v1.36.3" in said


def test_a_signature_that_minisign_made_elsewhere_is_put_in_and_verified(tmp_path: Path) -> None:
    minisign(tmp_path, "-G", "-W", "-p", "key.pub", "-s", "key")
    bundle = make(tmp_path, None)
    subprocess.run(["tar", "-xf", bundle, "-C", tmp_path, "manifest.json"], check=True)
    minisign(tmp_path, "-S", "-s", "key", "-m", "manifest.json", "-t", "signed in the vault")

    key = PublicKey.parse((tmp_path / "key.pub").read_text())
    put_signature(bundle, tmp_path / "manifest.json.minisig", [key])

    with Bundle.open(bundle, [key]) as opened:
        assert opened.signed is not None
        assert opened.signed.comment == "signed in the vault"


def test_a_key_under_a_passphrase_goes_both_ways(tmp_path: Path) -> None:
    minisign(tmp_path, "-G", "-p", "key.pub", "-s", "key", typed="correct horse\ncorrect horse\n")
    theirs = SigningKey.parse((tmp_path / "key").read_bytes(), lambda: "correct horse", "key")
    ours = SigningKey.create()
    (tmp_path / "ours").write_bytes(ours.file("battery staple"))
    (tmp_path / "ours.pub").write_text(ours.public.file)
    (tmp_path / "said").write_bytes(b"said")

    minisign(tmp_path, "-S", "-s", "ours", "-m", "said", typed="battery staple\n")

    assert "verified" in minisign(tmp_path, "-V", "-m", "said", "-p", "ours.pub")
    assert base64.b64decode((tmp_path / "key.pub").read_text().splitlines()[1])[10:] == theirs.public.raw
