"""A fold makes one state of another: wholly, durably, and with the ones before kept."""

import os
from pathlib import Path

import pytest

from klusterkit.state import (
    KeySource,
    Lock,
    StateError,
    StateExists,
    StateFile,
)


def test_a_fold_gives_the_next_serial_and_an_empty_journal(state: StateFile, path: Path, keys: KeySource) -> None:
    state.append({"n": 1})
    state.fold(state.snapshot.model_copy(update={"versions": {"etcd": "3.6.5"}, "serial": 77}))
    state.append({"n": 2})

    loaded = StateFile.load(path, keys)
    assert loaded.snapshot.serial == 2
    assert loaded.snapshot.versions == {"etcd": "3.6.5"}
    assert [record["n"] for record in loaded.records] == [2]


def test_a_fold_is_flushed_before_it_takes_its_place_and_its_folder_after(
    state: StateFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def named_fsync(fd: int) -> None:
        calls.append(f"fsync {Path(f'/proc/self/fd/{fd}').readlink().name}")
        fsync(fd)

    def named_replace(source: Path, target: Path) -> None:
        replace(source, target)  # fails where there is no such generation to move yet
        calls.append(f"rename {Path(source).name} {Path(target).name}")

    monkeypatch.setattr(os, "fsync", named_fsync)
    monkeypatch.setattr(os, "replace", named_replace)
    state.fold(state.snapshot)

    new = f".cctl-state.yaml.{os.getpid()}.new"
    assert calls == [f"fsync {new}", f"rename {new} cctl-state.yaml", f"fsync {path.parent.name}"]


def test_a_fold_keeps_three_generations_with_their_journals(state: StateFile, path: Path, keys: KeySource) -> None:
    for serial in range(1, 6):
        state.append({"run": serial})
        state.fold(state.snapshot)

    kept = [StateFile.load(path.with_name(f"{path.name}.{number}"), keys) for number in (1, 2, 3)]
    assert [(old.snapshot.serial, old.records[0]["run"]) for old in kept] == [(5, 5), (4, 4), (3, 3)]
    assert not path.with_name(f"{path.name}.4").exists()


def test_appending_after_a_fold_leaves_the_generation_before_alone(state: StateFile, path: Path) -> None:
    state.fold(state.snapshot)
    before = path.with_name(f"{path.name}.1").read_bytes()

    state.append({"n": 1})

    assert path.with_name(f"{path.name}.1").read_bytes() == before


def test_a_file_system_without_hard_links_keeps_generations_as_copies(
    path: Path, keys: KeySource, held: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what FAT says

    monkeypatch.setattr(os, "link", no_links)
    state = StateFile.create(path, keys, lock=held)
    state.append({"n": 1})
    state.fold(state.snapshot)

    assert StateFile.load(path.with_name(f"{path.name}.1"), keys).records == [{"n": 1}]
    with pytest.raises(StateExists):
        StateFile.create(path, keys)


def test_a_snapshot_of_another_cluster_is_not_folded_in(state: StateFile, tmp_path: Path) -> None:
    other = StateFile.create(tmp_path / "other.yaml", None)

    with pytest.raises(ValueError, match="its own file"):
        state.fold(other.snapshot)

    assert state.snapshot.serial == 1


def test_a_snapshot_that_yaml_would_change_is_not_folded_in(state: StateFile, path: Path) -> None:
    before = path.read_bytes()

    with pytest.raises((ValueError, StateError)):
        state.fold(state.snapshot.model_copy(update={"cluster": {1: "a key that is no string", "1": "and its twin"}}))

    assert path.read_bytes() == before
