"""One command at a time, and no lock that outlives its holder."""

import fcntl
import getpass
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from klusterkit.state import StateFile, StateLocked, StateMissing, lock, who

HOLDER = """
import sys
from pathlib import Path
from klusterkit.state import lock
with lock(Path(sys.argv[1]), "create machine"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_second_command_is_refused_with_the_name_of_the_first(path: Path) -> None:
    with held_elsewhere(path) as holder, pytest.raises(StateLocked) as raised, lock(path, "upgrade"):
        pytest.fail("two hold it")

    error = raised.value
    assert error.exit_code == 4
    assert "'create machine'" in error.message
    assert f"pid {holder.pid}" in error.message
    assert "since 20" in error.message
    assert "wait" in error.hint


def test_a_second_lock_in_the_same_process_is_refused(path: Path) -> None:
    with lock(path, "one"), pytest.raises(StateLocked, match="'one'"), lock(path, "two"):
        pytest.fail("two hold it")


def test_the_lock_of_a_command_that_ended_is_free(path: Path) -> None:
    with held_elsewhere(path):
        pass

    with lock(path, "next") as held:
        assert held.notice is None


def test_the_lock_of_a_killed_command_is_taken_over_with_a_notice(path: Path) -> None:
    with held_elsewhere(path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

        with lock(path, "next") as held:
            assert held.taken_over is not None
            assert held.taken_over.pid == holder.pid
            assert "took over" in (held.notice or "")

    with lock(path, "after next") as held:
        assert held.notice is None


def test_a_command_that_fails_lets_go(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock(path, "fails") as held:
        raise ZeroDivisionError

    assert not held.held
    with lock(path, "next") as held:
        assert held.notice is None


def test_the_lock_file_says_who_holds_it_and_is_0600(path: Path) -> None:
    umask = os.umask(0)
    try:
        with lock(path, "create machine"):
            beside = path.with_name("cctl-state.yaml.lock")
            info = json.loads(beside.read_text())
            mode = stat.S_IMODE(beside.stat().st_mode)
    finally:
        os.umask(umask)

    assert info["op"] == "create machine"
    assert info["pid"] == os.getpid()
    assert set(info) == {"id", "who", "pid", "boot_id", "op", "since"}
    assert "@" in info["who"]
    assert mode == 0o600


def test_the_lock_holds_over_a_fold(path: Path) -> None:
    """It is never on the file that a fold replaces."""
    with lock(path, "one") as held:
        state = StateFile.create(path, None, lock=held)
        state.fold(state.snapshot)

        with held_or_refused(path) as refused:
            assert refused


@contextmanager
def held_or_refused(path: Path) -> Iterator[bool]:
    done = subprocess.run([sys.executable, "-c", HOLDER, str(path)], input="", capture_output=True, text=True)
    yield "StateLocked" in done.stderr


def test_reading_needs_no_lock(path: Path) -> None:
    StateFile.create(path, None)

    with held_elsewhere(path):
        assert StateFile.load(path).snapshot.serial == 1


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateMissing, match="there is no folder") as raised, lock(tmp_path / "no" / "state.yaml", "x"):
        pytest.fail("there is nothing to lock")

    assert "make the folder" in raised.value.hint


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def test_a_command_that_fails_takes_the_lock_file_away_that_it_made(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock(path, "fails"):
        raise ZeroDivisionError

    assert not beside(path).exists()


def test_a_lock_file_that_was_there_before_stays(path: Path) -> None:
    with lock(path, "first"):
        pass
    with pytest.raises(ZeroDivisionError), lock(path, "fails"):
        raise ZeroDivisionError

    assert beside(path).exists()


def test_a_lock_on_a_file_that_has_just_been_taken_away_is_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's command fails right between our opening its lock file and our locking it."""
    real, took = fcntl.flock, [0]

    def flock(fd: int, operation: int) -> None:
        if not took[0]:
            beside(path).unlink()
        took[0] += 1
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock(path, "ours"), pytest.raises(StateLocked, match="'ours'"), lock(path, "theirs"):
        pytest.fail("two hold it")
    assert took[0] == 3


def test_who_has_no_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container whose user id stands in no passwd."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert who().startswith(f"{os.getuid()}@")
