"""Whatever is wrong with a bundle's file, it is refused with words, and nothing of it is used."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klusterkit.bundle import ArtifactStore, layout
from klusterkit.bundle.building import sign_manifest
from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.errors import BundleDamaged
from klusterkit.bundle.layout import BLOCK, Member, header
from klusterkit.bundle.manifest import Manifest
from klusterkit.engine.errors import UsageError
from tests.support.bundles import (
    CREATED,
    FILES,
    KEY,
    PAUSE,
    STRANGER,
    entry,
    forge,
    hostile,
    make,
    manifest_of,
    members,
    raw,
    refused,
    sha256,
    unpack,
)

MEMBERS = {
    "up": (hostile("../../etc/passwd"), "a file '../../etc/passwd'"),
    "absolute": (hostile("/etc/passwd"), "a file '/etc/passwd'"),
    "symbolic link": (hostile("blobs", tarfile.SYMTYPE, "/etc"), "a symbolic link 'blobs' to '/etc'"),
    "hard link": (hostile("blobs", tarfile.LNKTYPE, "../x"), "a hard link 'blobs' to '../x'"),
    "character device": (hostile("null", tarfile.CHRTYPE), "a character device 'null'"),
    "block device": (hostile("disk", tarfile.BLKTYPE), "a block device 'disk'"),
    "FIFO": (hostile("pipe", tarfile.FIFOTYPE), "a FIFO 'pipe'"),
    "folder": (hostile("blobs", tarfile.DIRTYPE), "a folder 'blobs/'"),
    "sparse": (hostile("sparse", tarfile.GNUTYPE_SPARSE), "a sparse file 'sparse'"),
    "twice": (
        raw(layout.blob_name(sha256(FILES[PAUSE])), FILES[PAUSE]),
        f"a file 'blobs/sha256/{sha256(FILES[PAUSE])}'",
    ),
    "other case": (hostile("Manifest.JSON"), "a file 'Manifest.JSON'"),
    "unicode": (hostile("manifest\u2024json"), "a file 'manifest\\u2024json'"),
    "long name": (hostile("x" * 120, form=tarfile.GNU_FORMAT), "a long name"),
    "long link": (hostile("x", tarfile.SYMTYPE, "y" * 120, form=tarfile.GNU_FORMAT), "a long link"),
    "extended header": (hostile("x" * 120, form=tarfile.PAX_FORMAT), "an extended header"),
    "no header": (b"x" * BLOCK, "no header of a file"),
    "an end": (layout.END, "an end"),
}


@pytest.mark.parametrize("place", range(2, 6), ids=["before the bill", "first blob", "second blob", "third blob"])
@pytest.mark.parametrize(("member", "said"), MEMBERS.values(), ids=MEMBERS)
def test_a_member_that_does_not_belong_is_refused_wherever_it_is(
    tmp_path: Path, place: int, member: bytes, said: str
) -> None:
    parts = [raw(*part) for part in members(make(tmp_path / "good"))]
    message = refused(forge(tmp_path / "bad", *parts[:place], member, *parts[place:]))

    # A blob that comes twice is where it belongs the first time.
    assert said in message or "a file 'blobs/sha256/" in message


@pytest.mark.parametrize(("member", "said"), MEMBERS.values(), ids=MEMBERS)
def test_a_member_behind_the_last_is_refused(tmp_path: Path, member: bytes, said: str) -> None:
    parts = [raw(*part) for part in members(make(tmp_path / "good"))]

    assert re.search("after its last file|follow its end", refused(forge(tmp_path / "bad", *parts, member)))


@pytest.mark.parametrize("member", [member for member, _ in MEMBERS.values()], ids=MEMBERS)
def test_what_begins_with_something_else_is_no_bundle(tmp_path: Path, member: bytes) -> None:
    message = refused(forge(tmp_path / "bad", member, make(tmp_path / "good").read_bytes()))

    assert "doesn't begin with a manifest" in message


def test_what_was_compressed_as_a_whole_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(gzip.compress(make(tmp_path / "good").read_bytes()))

    assert "doesn't begin with a manifest" in refused(tmp_path / "bad")


@pytest.mark.parametrize("content", [b"", b"\0" * 10240, b"#!/bin/sh\n" * 100], ids=["empty", "zeros", "script"])
def test_what_is_no_bundle_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad").write_bytes(content)

    assert re.search("cut short|doesn't begin", refused(tmp_path / "bad"))


def test_a_device_or_a_pipe_instead_of_a_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path):
        with pytest.raises(UsageError, match=r"is not a file|Is a directory"), Bundle.open(path, [KEY.public]):
            pass


def test_a_sparse_file_as_large_as_its_manifest_says_costs_no_memory(tmp_path: Path) -> None:
    """A gigabyte of nothing is found wrong by their digest, a piece at a time."""
    path = promising(tmp_path / "bad", 1 << 30)
    os.truncate(path, path.stat().st_size + (1 << 30))
    script = (
        "import resource, sys; from pathlib import Path; from klusterkit.bundle.bundle import Bundle\n"
        "from klusterkit.bundle.errors import BundleDamaged\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    with Bundle.open(Path(sys.argv[1])) as bundle: bundle.verify_content()\n"
        "except BundleDamaged as error: print(error.message)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    message, grown = done.stdout.splitlines()

    assert "isn't what the manifest says" in message
    assert int(grown) < 32 * 1024  # KiB


def promising(path: Path, size: int) -> Path:
    """A bundle with a good signature whose one blob has this size and isn't there."""
    bill = manifest_of(FILES)[1]
    huge = entry("dl.k8s.io/huge", b"").model_copy(update={"sha256": "f" * 64, "size": size})
    manifest = Manifest.of([huge], bill, created=CREATED, architecture="amd64", kubernetes=["v1.36.3"])
    small = {
        layout.MANIFEST: manifest.content,
        layout.SIGNATURE: sign_manifest(manifest, KEY, CREATED),
        layout.SBOM: bill,
    }
    blob = header(Member(layout.blob_name("f" * 64), size))
    return forge(path, *(raw(name, content) for name, content in small.items()), blob)


def test_a_bundle_that_promises_more_than_it_has_is_refused_before_a_blob_is_read(tmp_path: Path) -> None:
    assert "needs 8589" in refused(promising(tmp_path / "bad", (1 << 33) - 1))


def test_a_manifest_without_end_is_not_read(tmp_path: Path) -> None:
    path = forge(tmp_path / "bad", header(Member(layout.MANIFEST, (1 << 33) - 1)))
    os.truncate(path, 1 << 33)

    assert "are the most" in refused(path)


def test_a_signature_that_was_exchanged_is_refused(tmp_path: Path) -> None:
    parts = members(make(tmp_path / "good"))
    parts[1] = members(make(tmp_path / "other", key=STRANGER))[1]

    assert "isn't trusted" in refused(forge(tmp_path / "bad", *(raw(*part) for part in parts)))


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path, store = make(tmp_path / "b", {"dl.k8s.io/large": b"x" * 3_000_000}), ArtifactStore(tmp_path / "cache")

    with pytest.raises(BundleDamaged, match="cut short"):
        unpack(path, store, lambda: os.truncate(path, 2_000_000))

    assert list(store) == []


def test_content_that_changes_between_verifying_and_unpacking_is_not_unpacked(tmp_path: Path) -> None:
    path, store = make(tmp_path / "b"), ArtifactStore(tmp_path / "cache")
    changed = path.read_bytes().replace(b"a kubelet", b"a KUBELET")

    with pytest.raises(BundleDamaged, match="isn't what the manifest says"):
        unpack(path, store, lambda: path.write_bytes(changed))

    assert b"KUBELET" not in b"".join(store.path(digest).read_bytes() for digest in store)


@pytest.fixture(scope="module", name="good")
def _good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("good") / "b")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_bundle_with_any_byte_changed_is_refused(good: Path, data: st.DataObject) -> None:
    content = bytearray(good.read_bytes())
    # The untrusted comment of a signature is the one thing that nobody vouches for.
    free = range(content.index(b"signature by key"), content.index(b"\n", content.index(b"signature by key")))
    at = data.draw(st.integers(0, len(content) - 1).filter(lambda at: at not in free))
    content[at] ^= data.draw(st.integers(1, 255))
    changed = good.with_name("changed")
    changed.write_bytes(content)

    refused(changed)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_bundle_that_is_cut_anywhere_is_refused(good: Path, data: st.DataObject) -> None:
    content = good.read_bytes()
    cut = good.with_name("cut")
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])

    refused(cut)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_bundle_with_blocks_left_out_put_in_or_exchanged_is_refused(good: Path, data: st.DataObject) -> None:
    content = good.read_bytes()
    blocks = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]
    first, second = (data.draw(st.integers(0, len(blocks) - 1)) for _ in range(2))
    match data.draw(st.sampled_from(["leave out", "put in", "exchange"])):
        case "leave out":
            del blocks[first]
        case "put in":
            blocks.insert(second, blocks[first])
        case _:
            blocks[first], blocks[second] = blocks[second], blocks[first]
    changed = good.with_name("changed")
    changed.write_bytes(b"".join(blocks))

    if changed.read_bytes() != content:
        refused(changed)
