"""Disks that are full or read-only: what was durable stays, and the operator is told what to do.

Each test runs in a mount namespace of its own with a small tmpfs, or under a limit on file sizes, so the errors are the
kernel's.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PRELUDE = """
import json, os, resource, subprocess, sys
from pathlib import Path
from klusterkit.state import *

path = Path(sys.argv[1], "cctl-state.yaml")

def attempt(action, *args):
    try:
        action(*args)
    except StateError as error:
        return [type(error).__name__, error.message, error.hint]
    return None

def mount(*options):
    subprocess.run(["mount", *options, path.parent], check=True)
"""


def run(script: str, folder: Path, *, namespace: bool) -> dict:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", PRELUDE + script, folder]
    if namespace:
        command = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)), *command]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FILL = """
mount("-t", "tmpfs", "-o", "size=64k", "tmpfs")
with lock(path, "test") as held:
    state = StateFile.create(path, None, lock=held)
    written, error = 0, None
    while error is None:
        error = attempt(state.append, {"n": written, "padding": "x" * 3000}, {"n": written, "second": True})
        written += error is None
    after_error = path.read_bytes()
    reread = StateFile.load(path)
    first = [error, len(reread.records), reread.torn, len(state.records)]
"""


def test_a_full_disk_stops_the_append_and_loses_no_record(tmp_path: Path) -> None:
    result = run(
        FILL + 'print(json.dumps({"written": written, "first": first}))',
        tmp_path / "small",
        namespace=True,
    )

    (kind, message, hint), on_disk, torn, in_memory = result["first"]
    assert kind == "StateNotWritable"
    assert "cctl-state.yaml: No space left on device" in message
    assert "free space" in hint
    assert on_disk == in_memory == 2 * result["written"] > 0
    assert torn is False, "the part that was written is cut off again"


def test_appending_goes_on_when_there_is_space_again(tmp_path: Path) -> None:
    result = run(
        FILL
        + """
    mount("-o", "remount,size=1m", "tmpfs")
    again = attempt(state.append, {"n": "again"})
    folded = attempt(state.fold, state.snapshot.model_copy(update={"versions": {"etcd": "3.6.5"}}))
    old = StateFile.load(path.with_name(path.name + ".1"))
print(json.dumps([again, folded, written, len(old.records), old.records[-1], StateFile.load(path).snapshot.serial]))
""",
        tmp_path / "small",
        namespace=True,
    )

    again, folded, written, count, last, serial = result
    assert again is None
    assert folded is None
    assert (count, last) == (2 * written + 1, {"n": "again"})
    assert serial == 2


def test_a_full_disk_stops_the_fold_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    result = run(
        FILL
        + """
    error = attempt(state.fold, state.snapshot.model_copy(update={"cluster": {"padding": "y" * 50000}}))
    names, same = sorted(os.listdir(path.parent)), path.read_bytes() == after_error
    mount("-o", "remount,size=1m", "tmpfs")
    goes_on = attempt(state.append, {"n": 1}) is None
print(json.dumps([error, same, names, goes_on]))
""",
        tmp_path / "small",
        namespace=True,
    )

    (kind, message, _hint), same, names, goes_on = result
    assert kind == "StateNotWritable"
    assert "No space left" in message
    assert same
    assert names == ["cctl-state.yaml", "cctl-state.yaml.lock"]
    assert goes_on


def test_a_disk_that_is_full_from_the_beginning_gets_no_file(tmp_path: Path) -> None:
    result = run(
        """
mount("-t", "tmpfs", "-o", "size=4k", "tmpfs")
path.with_name("filler").write_bytes(b"x" * 4096)
print(json.dumps([attempt(StateFile.create, path, None), os.listdir(path.parent)]))
""",
        tmp_path / "small",
        namespace=True,
    )

    assert result[0][0] == "StateNotWritable"
    assert result[1] == ["filler"]


def test_a_disk_that_is_full_where_a_new_key_belongs_gets_no_part_of_one(tmp_path: Path) -> None:
    """An empty identity file would be taken for the operator's own, and open nothing for ever."""
    result = run(
        """
mount("-t", "tmpfs", "-o", "size=4k", "tmpfs")
keys = key_source(environ={"XDG_CONFIG_HOME": str(path.parent)})
elsewhere = path.parent.with_name("cctl-state.yaml")
path.with_name("filler").write_bytes(b"x" * 4096)
full = attempt(StateFile.create, elsewhere, keys)
left = sorted(found.name for found in path.parent.rglob("*"))
path.with_name("filler").unlink()
with lock(elsewhere, "test") as held:
    state = StateFile.create(elsewhere, keys, lock=held)
    state.fold(state.with_secret(state.snapshot, "ca", b"value"))
opened = StateFile.load(elsewhere, keys).secret("ca").get_secret_value().decode()
print(json.dumps([full, left, opened]))
""",
        tmp_path / "small",
        namespace=True,
    )

    (kind, message, hint), left, opened = result
    assert kind == "StateNotWritable"
    assert "klusterkit/identity.txt: No space left" in message
    assert "free space" in hint
    assert left == ["filler", "klusterkit"]
    assert opened == "value", "there is space again, and the next command makes the key"


@pytest.mark.parametrize("write", ["append", "fold", "lock"])
def test_a_read_only_file_system_is_told_and_can_be_read(tmp_path: Path, write: str) -> None:
    result = run(
        f"""
mount("-t", "tmpfs", "-o", "size=1m", "tmpfs")
write = "{write}"
"""
        """
with lock(path, "test") as held:
    state = StateFile.create(path, None, lock=held)
    state.append({"n": 1})
del state
mount("-o", "remount,ro", "tmpfs")
held.held = True  # a mount with a file open for writing can't be made read-only, so the lock was let go before
def use_lock():
    with lock(path, "test"):
        pass
state = StateFile.load(path, lock=held)
actions = {"append": (state.append, {"n": 2}), "fold": (state.fold, state.snapshot), "lock": (use_lock,)}
error = attempt(*actions[write])
read_only = StateFile.load(path)
print(json.dumps([error, list(read_only.records)]))
""",
        tmp_path / "ro",
        namespace=True,
    )

    (kind, message, hint), records = result
    assert kind == "StateNotWritable"
    assert "Read-only file system" in message
    assert "--state" in hint
    assert records == [{"n": 1}]


@pytest.mark.parametrize("room", [0, 1, 3, 4, 50, 200])
def test_a_short_write_is_cut_off_again(tmp_path: Path, room: int) -> None:
    """The kernel takes `room` bytes of the record and refuses the rest."""
    result = run(
        f"room = {room}"
        """
with lock(path, "test") as held:
    state = StateFile.create(path, None, lock=held)
    state.append({"n": 1})
    size = path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))
    failed = attempt(state.append, {"n": 2, "padding": "x" * 500})
    left = path.stat().st_size - size
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    state.append({"n": 3})
print(json.dumps([failed[0], left, list(StateFile.load(path).records)]))
""",
        tmp_path / "limited",
        namespace=False,
    )

    assert result == ["StateNotWritable", 0, [{"n": 1}, {"n": 3}]]


def test_a_part_that_cannot_be_cut_off_at_once_is_cut_by_the_next_append(tmp_path: Path) -> None:
    result = run(
        """
with lock(path, "test") as held:
    state = StateFile.create(path, None, lock=held)
    state.append({"n": 1})
    size = path.stat().st_size
    cut, os.ftruncate = os.ftruncate, lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, resource.RLIM_INFINITY))
    failed = attempt(state.append, {"n": 2, "padding": "x" * 500})
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    between = StateFile.load(path)
    os.ftruncate = cut
    state.append({"n": 3})
print(json.dumps([failed[0], between.torn, list(between.records), list(StateFile.load(path).records)]))
""",
        tmp_path / "limited",
        namespace=False,
    )

    assert result == ["StateNotWritable", True, [{"n": 1}], [{"n": 1}, {"n": 3}]]
