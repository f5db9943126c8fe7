"""The tree that all hosts stand on."""

from __future__ import annotations

from pathlib import Path

import pytest
from kklab.errors import LabError
from kklab.hosts import basetree, listing

TREE = "/cache/base/root"
MOUNTS = f"""\
proc /proc proc rw,nosuid 0 0
overlay /lab/one/m1/root overlay rw,relatime,lowerdir={TREE},upperdir=/lab/one/m1/upper,workdir=/w 0 0
overlay /lab/two/m1/root overlay rw,relatime,lowerdir=/cache/base-old/root,upperdir=/lab/two/m1/upper,workdir=/w 0 0
"""


def test_the_hosts_that_stand_on_it_are_known_whoever_started_them() -> None:
    assert basetree.hosts_on(Path(TREE), MOUNTS) == ["/lab/one/m1/root"]
    assert basetree.hosts_on(Path("/cache/base-new/root"), MOUNTS) == []


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree that is not what it was when it was made."""
    monkeypatch.setenv("KLUSTERKIT_LAB_CACHE", str(tmp_path))
    tree = basetree.folder() / "root"
    tree.mkdir(parents=True)
    listing.save(basetree.listing_file(), listing.of_tree(tree))
    basetree.verify()
    assert tree.exists()
    (tree / "new").write_text("")
    return tree


def test_a_changed_one_is_made_again(changed: Path) -> None:
    basetree.verify()

    assert not changed.exists()


def test_it_is_not_taken_from_under_hosts(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basetree, "hosts_on", lambda *_: ["/lab/one/m1/root"])

    with pytest.raises(LabError, match="hosts run on it: /lab/one/m1/root"):
        basetree.verify()

    assert (changed / "new").exists()
