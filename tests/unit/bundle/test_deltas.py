"""A delta turns the older bundle into the newer one, byte for byte, or says what is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.delta import changes, combine
from klusterkit.bundle.delta import make as make_delta
from klusterkit.bundle.errors import BundleDamaged, BundleLacks, BundleRefused
from klusterkit.bundle.manifest import Kind, Manifest
from klusterkit.engine.errors import UsageError
from tests.support.bundles import CREATED, FILES, KEY, KUBELET, PAUSE, STRANGER, entry, make

NEWER = {KUBELET.replace("36.3", "36.4"): b"a newer kubelet" * 1000, PAUSE: FILES[PAUSE]}
LATER = CREATED + timedelta(days=1)


def delta_of(old: Path, new: Path) -> Path:
    path = new.with_name("delta")
    with Bundle.open(old) as before, Bundle.open(new) as after:
        make_delta(before, after, path)
    return path


def combined(old: Path, delta: Path) -> Path:
    path = delta.with_name("combined")
    with Bundle.open(old) as before, Bundle.open(delta, delta=True) as change:
        combine(before, change, path)
    return path


def test_old_and_delta_give_new_with_its_signature(tmp_path: Path) -> None:
    old, new = make(tmp_path / "old"), make(tmp_path / "new", NEWER, created=LATER)

    made = combined(old, delta_of(old, new))

    assert made.read_bytes() == new.read_bytes()
    with Bundle.open(made, [KEY.public]) as bundle:
        bundle.verify_content()


CONTENTS = st.dictionaries(
    st.from_regex(r"\A[a-z]{1,3}/[a-z]{1,3}\Z"), st.binary(max_size=1500).map(lambda content: content * 2), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(before=CONTENTS, after=CONTENTS, signed=st.booleans())
def test_any_two_bundles_have_a_delta(
    tmp_path_factory: pytest.TempPathFactory, before: dict[str, bytes], after: dict[str, bytes], signed: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    old, new = make(folder / "old", before), make(folder / "new", after, key=KEY if signed else None)

    delta = delta_of(old, new)

    assert combined(old, delta).read_bytes() == new.read_bytes()
    shared = set(before.values()) & set(after.values())
    assert new.stat().st_size - delta.stat().st_size >= sum(map(len, shared)) - 4096


def test_a_delta_for_another_bundle_says_so(tmp_path: Path) -> None:
    old, new, other = make(tmp_path / "old"), make(tmp_path / "new", NEWER), make(tmp_path / "other", {"a/b": b"c"})
    delta = delta_of(old, new)

    with pytest.raises(BundleLacks, match="lacks 1 of the files") as raised:
        combined(other, delta)

    assert not (tmp_path / "combined").exists()
    assert raised.value.seen
    with Bundle.open(old) as bundle:
        assert bundle.manifest.id in raised.value.seen


def test_an_older_bundle_that_was_changed_gives_nothing(tmp_path: Path) -> None:
    old, new = make(tmp_path / "old"), make(tmp_path / "new", NEWER)
    delta = delta_of(old, new)
    old.write_bytes(old.read_bytes().replace(FILES[PAUSE], b"q" * 512))

    with pytest.raises(BundleDamaged):
        combined(old, delta)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["delta", "new", "old"]


def opened_whole(path: Path) -> Manifest:
    with Bundle.open(path, [KEY.public]) as bundle:
        bundle.verify_content()
        return bundle.manifest


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0), change=st.integers(1, 255))
def test_a_delta_with_any_byte_changed_gives_nothing_that_is_trusted(
    tmp_path_factory: pytest.TempPathFactory, at: int, change: int
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    old, new = make(folder / "old"), make(folder / "new", NEWER)
    content = bytearray(delta_of(old, new).read_bytes())
    place = at % len(content)
    content[place] ^= change
    (folder / "delta").write_bytes(content)

    try:
        opened_whole(combined(old, folder / "delta"))
    except BundleRefused:
        return
    # What nobody vouches for: the base's id, and the untrusted comment.
    assert opened_whole(folder / "combined") == opened_whole(new)


def test_a_bundle_is_no_delta_and_a_delta_no_bundle(tmp_path: Path) -> None:
    old, new = make(tmp_path / "old"), make(tmp_path / "new", NEWER)

    with pytest.raises(BundleRefused, match="it is a delta"), Bundle.open(delta_of(old, new)):
        pass
    with pytest.raises(BundleRefused, match="it is no delta"), Bundle.open(old, delta=True):
        pass


def test_a_delta_that_can_not_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    old, new = make(tmp_path / "old"), make(tmp_path / "new", NEWER)
    out = tmp_path / "nowhere" / "delta"

    with pytest.raises(UsageError, match="can't be written"), Bundle.open(old) as before, Bundle.open(new) as after:
        make_delta(before, after, out)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]


def manifest(*entries: object) -> Manifest:
    return Manifest.of(entries, b"", created=CREATED, architecture="amd64", kubernetes=["v1.36.3"])  # type: ignore[arg-type]


def test_a_component_in_a_newer_version_is_one_change() -> None:
    old = manifest(
        entry("a/kubelet-1", b"1", name="kubelet", version="v1"),
        entry("i/pause-1", b"p1", kind=Kind.IMAGE, name="r/pause:1", version="1"),
        entry("a/runc", b"r", name="runc"),
        entry("a/gone", b"g", name="gone"),
    )
    new = manifest(
        entry("a/kubelet-2", b"2", name="kubelet", version="v2"),
        entry("i/pause-2", b"p2", kind=Kind.IMAGE, name="r/pause:2", version="2"),
        entry("a/runc", b"R", name="runc"),
        entry("a/new", b"n", name="new"),
    )

    found = {
        (change.old and change.old.name, change.new and change.new.name, change.old and change.old.version)
        for change in changes(old, new)
    }

    assert found == {
        ("kubelet", "kubelet", "v1"),
        ("r/pause:1", "r/pause:2", "1"),
        ("runc", "runc", "v1.36.3"),
        ("gone", None, "v1.36.3"),
        (None, "new", None),
    }
    assert list(changes(new, new)) == []


def test_both_keys_may_have_signed(tmp_path: Path) -> None:
    old, new = make(tmp_path / "old", key=STRANGER), make(tmp_path / "new", NEWER)

    with Bundle.open(combined(old, delta_of(old, new)), [KEY.public]) as bundle:
        assert bundle.signed is not None
