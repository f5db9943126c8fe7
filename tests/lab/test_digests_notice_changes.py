"""A listing changes with everything that counts, and with nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kklab.hosts import listing
from kklab.hosts.host import OVERLAY_OPTIONS


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "etc/deep").mkdir(parents=True)
    (root / "etc/file").write_text("one")
    (root / "etc/link").symlink_to("file")
    (root / "etc/deep/leaf").write_text("leaf")
    return root


def device(path: Path, minor: int) -> None:
    path.unlink()
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, minor))


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda root: (root / "etc/file").write_text("two"),
    "content of the same size": lambda root: (root / "etc/file").write_text("eno"),
    "mode": lambda root: (root / "etc/file").chmod(0o600),
    "setuid": lambda root: (root / "etc/file").chmod(0o4644),
    "mode of a folder": lambda root: (root / "etc/deep").chmod(0o700),
    "owner": lambda root: os.chown(root / "etc/file", 7, 0),
    "group": lambda root: os.chown(root / "etc/file", 0, 7),
    "owner of a link": lambda root: os.lchown(root / "etc/link", 7, 7),
    "extended attribute": lambda root: os.setxattr(root / "etc/file", "user.note", b"x"),
    "capability": lambda root: os.setxattr(
        root / "etc/file", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000")
    ),
    "target of a link": lambda root: ((root / "etc/link").unlink(), (root / "etc/link").symlink_to("deep")),
    "a new file": lambda root: (root / "etc/new").write_text(""),
    "a new empty folder": lambda root: (root / "etc/new").mkdir(),
    "a file gone": lambda root: (root / "etc/file").unlink(),
    "a folder gone": lambda root: shutil.rmtree(root / "etc/deep"),
    "a file become a folder": lambda root: ((root / "etc/file").unlink(), (root / "etc/file").mkdir()),
    "a file become a link": lambda root: ((root / "etc/file").unlink(), (root / "etc/file").symlink_to("x")),
    "a file become a device": lambda root: device(root / "etc/file", 3),
    "a file become a pipe": lambda root: ((root / "etc/file").unlink(), os.mkfifo(root / "etc/file")),
    "a renamed file": lambda root: (root / "etc/file").rename(root / "etc/elif"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_changes_the_digest(tree: Path, change: Callable[[Path], object]) -> None:
    before = listing.digest(listing.of_tree(tree))
    change(tree)
    assert listing.digest(listing.of_tree(tree)) != before


def test_two_devices_differ_by_their_numbers(tree: Path) -> None:
    device(tree / "etc/file", 3)
    before = listing.of_tree(tree)
    device(tree / "etc/file", 5)
    assert listing.of_tree(tree) != before


def test_times_and_order_of_making_dont_count(tree: Path, tmp_path: Path) -> None:
    before = listing.of_tree(tree)
    os.utime(tree / "etc/file", (1, 1))
    shutil.copytree(tree, tmp_path / "copy", symlinks=True)
    assert listing.of_tree(tree) == before == listing.of_tree(tmp_path / "copy")


def test_odd_names_stay_on_one_line(tree: Path) -> None:
    (tree / "etc/a\nb").write_text("")
    text = listing.as_text(listing.of_tree(tree))
    assert len(text.splitlines()) == 6
    assert "/etc/a\\nb " in text


def test_a_listing_survives_being_saved(tree: Path, tmp_path: Path) -> None:
    listing.save(tmp_path / "listing", listing.of_tree(tree))
    assert listing.load(tmp_path / "listing") == listing.of_tree(tree)


@contextlib.contextmanager
def overlay(folder: Path) -> Generator[tuple[Path, Path, Path]]:
    """A real overlay over a small tree: its lower and upper layers, and what it shows."""
    lower, upper, work, merged = (folder / name for name in ("lower", "upper", "work", "merged"))
    for path in (lower / "a/x", lower / "b", upper, work, merged):
        path.mkdir(parents=True)
    for name in ("a/f", "a/x/g", "b/h", "top"):
        (lower / name).write_text(name)
    options = f"lowerdir={lower},upperdir={upper},workdir={work},{OVERLAY_OPTIONS}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=True)
    try:
        yield lower, upper, merged
    finally:
        subprocess.run(["umount", merged], check=True)


def act(root: Path, verb: str, name: str) -> None:
    """Do something to a path; what can't be done to it isn't."""
    path = root / name
    with contextlib.suppress(OSError):
        match verb:
            case "write":
                path.write_text("new")
            case "write as before":
                path.write_text(name)
            case "remove":
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            case "mkdir":
                path.mkdir()
            case "chmod":
                path.chmod(0o700)
            case "chmod back":
                path.chmod(0o755 if path.is_dir() else 0o644)
            case "link":
                path.symlink_to("elsewhere")
            case _:
                path.rename(root / "moved")


verbs = st.sampled_from(
    ["write", "write as before", "remove", "remove", "mkdir", "chmod", "chmod back", "link", "rename"]
)
paths = st.sampled_from(["a", "a/f", "a/x", "a/x/g", "a/new", "b", "b/h", "b/new", "top", "moved", "moved/f"])


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(verbs, paths), max_size=12))
def test_the_upper_layer_tells_what_the_overlay_shows(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str]]
) -> None:
    with overlay(tmp_path_factory.mktemp("overlay")) as (lower, upper, merged):
        base = listing.of_tree(lower)
        for verb, name in actions:
            act(merged, verb, name)
        assert listing.with_upper(base, upper) == listing.of_tree(merged)


def test_what_was_changed_and_put_back_leaves_no_trace(tmp_path: Path) -> None:
    with overlay(tmp_path) as (lower, upper, merged):
        base = listing.of_tree(lower)
        for verb, name in (("write", "a/f"), ("write as before", "a/f"), ("mkdir", "b/new"), ("remove", "b/new")):
            act(merged, verb, name)
        assert (upper / "a/f").exists()
        assert listing.with_upper(base, upper) == base
