"""Whoever reads while another writes, or after a crash, sees what was acknowledged, and a whole file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klusterkit.state import (
    IdentityFile,
    KeySource,
    StateFile,
    lock,
)


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
