"""A state file's life: made, appended to, folded, refused."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klusterkit.state import (
    IdentityFile,
    KeySource,
    Lock,
    StateChanged,
    StateDamaged,
    StateError,
    StateExists,
    StateFile,
    StateMissing,
    StateNotLocked,
    StateNotReadable,
    StateNotRecognised,
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


def test_readers_see_a_whole_file_while_another_command_writes(path: Path, keys: KeySource) -> None:
    script = """
import sys
from pathlib import Path
from klusterkit.state import StateFile, lock
path = Path(sys.argv[1])
with lock(path, "writer") as held:
    state = StateFile.load(path, lock=held)
    for fold in range(20):
        for number in range(20):
            state.append({"number": number, "padding": "x" * 3000})
        state.fold(state.snapshot)
"""
    StateFile.create(path, keys)
    reads = 0
    with subprocess.Popen([sys.executable, "-c", script, path]) as writer:
        while writer.poll() is None:
            records = StateFile.load(path).records
            assert [record["number"] for record in records] == list(range(len(records)))
            reads += 1

    assert writer.returncode == 0
    assert reads > 5
    assert StateFile.load(path).snapshot.serial == 21


steps = st.lists(st.lists(st.dictionaries(st.text("ab\n€", max_size=4), st.integers()), max_size=3) | st.just("fold"))


@settings(max_examples=60, deadline=None)
@given(
    steps=steps,
    last=st.lists(st.fixed_dictionaries({"n": st.text(max_size=8)}), min_size=1, max_size=3),
    data=st.data(),
)
def test_a_crash_in_the_middle_of_a_write_loses_nothing_that_was_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, steps: list, last: list, data: st.DataObject
) -> None:
    """Whatever was appended and folded before, and at whichever byte the last append is cut."""
    path = tmp_path_factory.mktemp("state") / "cctl-state.yaml"
    with lock(path, "test") as held:
        state = StateFile.create(path, None, lock=held)
        for step in steps:
            state.fold(state.snapshot) if step == "fold" else state.append(*step)
        acknowledged, serial = list(state.records), state.snapshot.serial
        size = path.stat().st_size
        state.append(*last)
        os.truncate(path, data.draw(st.integers(size, path.stat().st_size)))

        survivor = StateFile.load(path, lock=held)
        kept = len(survivor.records) - len(acknowledged)
        survivor.append({"after": "the crash"})

    again = StateFile.load(path)
    assert again.records == [*acknowledged, *last[:kept], {"after": "the crash"}]
    assert (again.snapshot.serial, again.torn) == (serial, False)


@pytest.fixture(scope="module")
def fold_steps() -> str:
    """A fold that is killed with -9 before its n-th call of the operating system."""
    return """
import os, signal, sys
from pathlib import Path
from klusterkit.state import IdentityFile, StateFile, lock
path, keys, kill_at, calls = Path(sys.argv[1]), IdentityFile(Path(sys.argv[2])), int(sys.argv[3]), 0
def counted(name):
    real = getattr(os, name)
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(os, name, call)
with lock(path, "test") as held:
    state = StateFile.load(path, keys, lock=held)
    for name in ("open", "write", "fsync", "link", "rename", "replace", "unlink", "close", "ftruncate"):
        counted(name)
    state.fold(state.with_secret(state.snapshot, "etcd-ca.key", b"new"))
    calls = -1000
"""


def test_a_fold_killed_at_any_moment_leaves_the_old_file_or_the_new_one(
    path: Path, tmp_path: Path, fold_steps: str
) -> None:
    identity = tmp_path / "identity.txt"
    keys = IdentityFile(identity, make=True)
    with lock(path, "test") as held:
        state = StateFile.create(path, keys, lock=held)
        state.fold(state.with_secret(state.snapshot, "etcd-ca.key", b"old"))
        state.append({"n": 1})

    outcomes: list[bytes] = []
    for kill_at in range(1, 100):
        done = subprocess.run([sys.executable, "-c", fold_steps, path, identity, str(kill_at)], check=False)
        after = StateFile.load(path, keys)
        value = after.secret("etcd-ca.key").get_secret_value()
        assert list(after.records) == ([{"n": 1}] if value == b"old" else [])
        outcomes.append(value)
        if done.returncode == 0:
            break
        assert done.returncode == -9
        with lock(path, "test") as held:
            state = StateFile.load(path, keys, lock=held)
            state.fold(state.with_secret(state.snapshot, "etcd-ca.key", b"old"))
            state.append({"n": 1})
        assert not list(path.parent.glob(".*")), "the next fold clears what the killed one left"

    assert done.returncode == 0
    assert set(outcomes) == {b"old", b"new"}
    assert outcomes == sorted(outcomes, reverse=True), "old up to one moment, new from then on"
    for number in (1, 2, 3):
        StateFile.load(path.with_name(f"{path.name}.{number}"), keys)
