"""A state file is made, read, appended to, or refused; only its owner ever sees it."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from klusterkit.state import (
    KeySource,
    StateChanged,
    StateDamaged,
    StateExists,
    StateFile,
    StateMissing,
    StateNotLocked,
    StateNotReadable,
    StateNotRecognised,
    StateNotWritable,
    lock,
)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {entry.name: (entry.stat().st_mtime_ns, entry.read_bytes()) for entry in folder.iterdir()}


def test_a_new_file_has_a_lineage_and_serial_1(state: StateFile, path: Path, keys: KeySource) -> None:
    loaded = StateFile.load(path, keys)

    assert loaded.snapshot == state.snapshot
    assert loaded.snapshot.serial == 1
    assert list(loaded.records) == []


def test_two_new_files_have_two_lineages(tmp_path: Path) -> None:
    one, two = (StateFile.create(tmp_path / name, None) for name in ("one", "two"))

    assert one.snapshot.lineage != two.snapshot.lineage


def test_a_file_that_is_there_is_never_begun_anew(state: StateFile, path: Path) -> None:
    before = tree(path.parent)

    with pytest.raises(StateExists) as raised:
        StateFile.create(path, None)

    assert raised.value.exit_code == 3
    assert tree(path.parent) == before


def test_reading_makes_no_file(path: Path) -> None:
    with pytest.raises(StateMissing) as raised:
        StateFile.load(path)

    assert str(path) in raised.value.message
    assert list(path.parent.iterdir()) == []


def test_reading_changes_nothing(state: StateFile, path: Path, keys: KeySource) -> None:
    state.append({"a": 1})
    with path.open("ab") as file:
        file.write(b"--- torn")
    before = tree(path.parent)

    loaded = StateFile.load(path, keys)

    assert loaded.torn
    assert tree(path.parent) == before


def test_a_folder_in_its_place_is_an_error_of_ours(path: Path) -> None:
    path.mkdir()

    with pytest.raises(StateNotReadable, match="directory"):
        StateFile.load(path)


@pytest.mark.parametrize("content", [b"", b"hello: world\n", b"schemaVersion: 2\nsecretList: {}\n", b"\x00" * 100])
def test_a_foreign_file_is_not_called_damaged(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(StateNotRecognised) as raised:
        StateFile.load(path)

    assert raised.value.exit_code == 3


def test_an_edited_snapshot_is_noticed_with_advice(state: StateFile, path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"serial: 1", b"serial: 9"))

    with pytest.raises(StateDamaged) as raised:
        StateFile.load(path)

    assert raised.value.record is None
    assert "Editing by hand" in raised.value.hint
    assert f"{path}.1" in raised.value.hint


def test_appended_records_are_read_by_the_next_command(state: StateFile, path: Path, keys: KeySource) -> None:
    state.append({"n": 1})
    state.append({"n": 2}, {"n": 3})

    assert [record["n"] for record in state.records] == [1, 2, 3]
    assert StateFile.load(path, keys).records == state.records


def test_a_checkpoint_is_one_write_and_one_fdatasync(state: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("write", "fdatasync", "fsync", "read", "ftruncate"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, name=name: (calls.append(name), real(*args))[1])

    state.append(*({"n": n} for n in range(50)))

    assert calls == ["write", "fdatasync"]


def test_what_a_killed_writer_left_is_on_the_disk_or_nothing_goes_on(
    state: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.make_durable()

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(StateNotWritable, match="Input/output error"):
        state.make_durable()


def test_records_are_kept_as_a_reader_sees_them(state: StateFile) -> None:
    """The caller's mapping is not kept: changing it afterwards doesn't change the journal."""
    record = {"list": [1]}
    state.append(record)
    record["list"].append(2)

    assert state.records[0] == {"list": [1]}


def test_threads_may_append_at_the_same_time(state: StateFile, path: Path, keys: KeySource) -> None:
    def work(worker: int) -> None:
        for number in range(25):
            state.append({"worker": worker, "number": number})

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    read = StateFile.load(path, keys).records
    assert len(read) == 200
    for worker in range(8):
        assert [record["number"] for record in read if record["worker"] == worker] == list(range(25))


def test_writing_needs_the_lock(path: Path, keys: KeySource) -> None:
    with lock(path, "test") as held:
        state = StateFile.create(path, keys, lock=held)
    before = path.read_bytes()

    for unlocked in (state, StateFile.load(path, keys)):
        with pytest.raises(StateNotLocked):
            unlocked.append({"n": 1})
        with pytest.raises(StateNotLocked):
            unlocked.fold(unlocked.snapshot)

    assert path.read_bytes() == before


def test_the_lock_of_another_file_is_not_enough(path: Path, keys: KeySource, tmp_path: Path) -> None:
    with lock(tmp_path / "other.yaml", "test") as held, pytest.raises(StateNotLocked):
        StateFile.create(path, keys, lock=held).append({"n": 1})


@pytest.mark.parametrize("write", ["append", "fold"])
@pytest.mark.parametrize("change", ["appended to", "replaced", "removed"])
def test_a_file_that_something_else_changed_is_not_written(
    state: StateFile, path: Path, write: str, change: str
) -> None:
    state.append({"n": 1})
    content = path.read_bytes()
    if change == "appended to":
        with path.open("ab") as file:
            file.write(b"# edited\n")
    else:
        path.unlink()
        if change == "replaced":
            path.write_bytes(content)
    before = tree(path.parent)

    with pytest.raises(StateChanged, match="something else"):
        state.append({"n": 2}) if write == "append" else state.fold(state.snapshot)

    assert tree(path.parent) == before


def test_a_symbolic_link_stays_one(path: Path, keys: KeySource, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(path)

    with lock(link, "test") as held:
        state = StateFile.create(link, keys, lock=held)
        state.fold(state.snapshot)

    assert link.is_symlink()
    assert StateFile.load(path, keys).snapshot.serial == 2


def test_all_files_are_0600_from_birth_whatever_the_umask(tmp_path: Path) -> None:
    """The process dies before it writes a first byte into what it has made: no later chmod can have helped."""
    script = """
import os, sys
from pathlib import Path
from klusterkit.state import IdentityFile, StateFile, lock
os.umask(0)
keys = IdentityFile(Path(sys.argv[1], "identity.txt"), make=True)
with lock(Path(sys.argv[1], "cctl-state.yaml"), "test") as held:
    if sys.argv[2] == "key": os.write = lambda *_: os._exit(9)
    if sys.argv[2] == "create":
        from klusterkit.state.sealing import SealingKey
        keys.wrap(SealingKey.generate("x"))
        os.write = lambda *_: os._exit(9)
    state = StateFile.create(Path(sys.argv[1], "cctl-state.yaml"), keys, lock=held)
    if sys.argv[2] == "fold": os.write = lambda *_: os._exit(9)
    state.fold(state.snapshot)
"""
    for moment, code in (("key", 9), ("create", 9), ("fold", 9), ("never", 0)):
        folder = tmp_path / moment
        folder.mkdir()
        done = subprocess.run([sys.executable, "-c", script, folder, moment], check=False)

        assert done.returncode == code
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in folder.iterdir()}
        assert len(modes) >= 2, modes
        assert set(modes.values()) == {0o600}, modes


def test_a_file_that_others_can_read_is_told(state: StateFile, path: Path, keys: KeySource) -> None:
    path.chmod(0o644)

    assert any("chmod 600" in notice for notice in StateFile.load(path, keys).notices)
