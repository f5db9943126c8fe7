"""Ctrl-C and SIGTERM: what runs comes to its end, or is left; either way the operator learns how to go on."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("slow_run.py")


def begin(journal: Path, seconds: float, form: str = "text", **keywords: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), str(journal), str(seconds), form]
    process = subprocess.Popen(  # type: ignore[call-overload]
        command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **keywords}
    )
    deadline = time.monotonic() + 20
    while not (journal.exists() and '"begin"' in journal.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def records(journal: Path) -> list[tuple[str, str | None]]:
    return [(record["record"], record.get("task")) for record in map(json.loads, journal.read_text().splitlines())]


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_what_runs_end_and_starts_no_more(tmp_path: Path, asked: signal.Signals):
    process = begin(tmp_path / "journal", 4.0)
    process.send_signal(asked)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    said = [("run", None), ("begin", "m1/first"), ("stop", None), ("end", "m1/first")]
    assert records(tmp_path / "journal") == said
    assert "stopping: waiting for m1/first" in err
    assert "Ctrl-C again waits no longer" in err
    assert out.startswith("Stopped as you asked: 1 of 2 tasks done, 1 not begun.")
    assert "cctl resume" in out
    assert "cctl rollback" in out


def test_the_second_signal_waits_no_longer(tmp_path: Path):
    process = begin(tmp_path / "journal", 60.0)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    while "stopping: waiting for m1/first" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=50)  # the step takes 60 s
    assert process.returncode == 130
    assert records(tmp_path / "journal") == [("run", None), ("begin", "m1/first"), ("stop", None), ("stop", None)]
    assert "1 not known how they ended" in out
    assert "cctl resume" in out


def test_a_signal_before_the_run_has_begun_ends_the_command(tmp_path: Path):
    command = [sys.executable, str(PROGRAM), str(tmp_path / "journal"), "0", "text", "60"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    while process.stderr.readline() != "looking\n":
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted: a run is in progress: `cctl resume` goes on with it, `cctl rollback` takes it back" in err
    assert records(tmp_path / "journal") == [("run", None)]


def test_a_run_that_is_not_interrupted_ends_with_0(tmp_path: Path):
    process = begin(tmp_path / "journal", 0.1)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out.partition(" ")[0]) == (0, "Done")


def test_an_interrupted_run_tells_programs_the_same(tmp_path: Path):
    process = begin(tmp_path / "journal", 4.0, "json")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    lines = [json.loads(line) for line in out.splitlines()]
    assert "stopping" in [line.get("event") for line in lines]
    assert (lines[-1]["report"], lines[-1]["exit_code"]) == ("stopped", 130)


@pytest.mark.parametrize("form", ["text", "json"])
def test_whoever_reads_the_output_may_leave_and_the_run_goes_on_to_its_own_end(tmp_path: Path, form: str):
    process = begin(tmp_path / "journal", 1.0, form)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=20) == 0
    assert records(tmp_path / "journal")[-1] == ("end", "m1/second")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_report_that_cannot_be_written_does_not_hide_how_the_run_ended(tmp_path: Path, form: str):
    with Path("/dev/full").open("w") as full:
        process = begin(tmp_path / "journal", 4.0, form, stdout=full)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130


def test_a_signal_while_the_report_waits_for_its_reader_ends_with_the_runs_own_status(tmp_path: Path):
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    while _written(theirs):
        pass
    os.set_blocking(theirs, True)
    process = begin(tmp_path / "journal", 0.1, stdout=theirs)
    os.close(theirs)
    while records(tmp_path / "journal")[-1] != ("end", "m1/second"):
        time.sleep(0.05)
    assert process.stderr is not None
    while process.poll() is None:
        time.sleep(1)
        process.send_signal(signal.SIGINT)
    os.close(ours)
    assert process.returncode == 0
    assert "changed no host" not in process.stderr.read()


def _written(descriptor: int) -> int:
    try:
        return os.write(descriptor, bytes(4096))
    except BlockingIOError:
        return 0


def test_on_a_terminal_ctrl_c_says_what_is_waited_for(tmp_path: Path):
    master, slave = pty.openpty()
    process = begin(tmp_path / "journal", 4.0, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    process.send_signal(signal.SIGINT)
    said = b""
    while chunk := _read(master):
        said += chunk
    os.close(master)
    assert process.wait(timeout=20) == 130
    assert b"stopping: " in said
    assert b"waiting for m1/first" in said
    assert b"of 2 done" in said


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""
