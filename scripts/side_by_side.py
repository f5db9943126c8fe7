#!/usr/bin/env python3
"""All tests but the sweeps, in parts of which two run side by side, and others in what processors they leave.

With ``sweep``, the sweeps instead, and what they have shown becomes ``docs/proof.md``.

Each part says from time to time how far it is, and how long it still takes by what its tests took the last time, or
the first time by what they took elsewhere; what fails is told at once, and once more at the end. The exit code is the
first that isn't 0. When it is interrupted or ended, each part takes down its hosts before this ends. Hosts that are
left make it fail.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROOF = ROOT / "docs" / "proof.md"
INSTANCES = Path("/var/lib/klusterkit-lab")
"""Where each instance of the lab has a folder until its hosts are gone."""
COMMANDS = tuple(f"tests/unit/{folder}" for folder in ("cli", "engine", "hosts", "scripts"))
"""Apart from the other units: they start programs and threads, and have limits of time to hold."""
PARTS = {
    "clusters": ("tests/cluster",),
    "hosts": ("tests/hosts", "tests/lab"),
    "simulation": ("tests/simulation",),
    "commands": COMMANDS,
    "unit": ("tests/unit", *(f"--ignore={each}" for each in COMMANDS)),
}
SWEPT = ("clusters", "simulation")
"""The parts that have sweeps."""
PATIENT = ("simulation", "unit")
"""The parts whose time is simulated, or doesn't matter: all others have limits of time to hold, and these give way."""
AT_ONCE = 2
"""Of the others. Not more: two processors are all that there may be."""
MINUTES = {"clusters": 26, "hosts": 24, "simulation": 10, "commands": 4, "unit": 5}
"""What they take, about, on two processors and beside each other."""
SWEEP_MINUTES = {"clusters": 240, "simulation": 70}


def start(name: str, *, sweep: bool) -> subprocess.Popen[str]:
    """One part, apart from our terminal: only we tell it to end, and it takes down its hosts then."""
    table = shown_by(name).relative_to(ROOT)  # so that the page, which tells the command, names no machine
    which = ["-m", "sweep", "--timeout", "7200", "--proof", table] if sweep else ["-m", "not sweep"]
    gives_way = _GIVE_WAY if name in PATIENT else []
    pytest = [*gives_way, ROOT / ".venv/bin/python", "-um", "pytest", "--verbose", *which, "--color=no", *PARTS[name]]
    return subprocess.Popen(
        pytest, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


_NICE = max(0, 10 - os.nice(0))
_GIVE_WAY = ["sh", "-c", 'echo 10 2>/dev/null >/proc/self/autogroup; exec nice -n "$0" "$@"', str(_NICE)]
"""In a session of its own, a process is nice to others only if its session is (sched(7), "The autogroup feature")."""


def shown_by(name: str) -> Path:
    """Where a part of the sweeps leaves its table."""
    return ROOT / "build" / f"proof-{name}.md"


def publish(ended: Mapping[str, int]) -> None:
    """One page of the tables of all parts, in place of what was there. Without one of them, it stays what it was.

    One that was interrupted has left a table too, of what it had come to.
    """
    if missing := [name for name in SWEPT if ended[name] not in (0, 1) or not shown_by(name).exists()]:
        print(f"{PROOF.name} is left as it was: {' and '.join(missing)} came to no end")
        return
    head = "# Proof\n\nWhat takes too long for every run of the tests, as `make sweep` found it.\n"
    PROOF.write_text("\n".join([head, *(shown_by(name).read_text() for name in SWEPT)]))


class Progress:
    """How far a part is.

    Args:
        kept: a file with what each test took the last time, in seconds.
        minutes: what all of them take, about.
    """

    def __init__(self, kept: Path, minutes: float) -> None:
        self._kept = kept
        self._minutes = minutes
        self._known = self._last_time()
        self._took: dict[str, float] = {}
        self._began = self._last = time.monotonic()
        self._all = 0

    def collected(self, tests: int) -> None:
        """There are so many."""
        self._all, self._last = tests, time.monotonic()

    def ended(self, test: str) -> None:
        """One more has ended."""
        now = time.monotonic()
        self._took[test], self._last = now - self._last, now

    def __str__(self) -> str:
        done = len(self._took)
        so_far = time.monotonic() - self._began
        left = sum(seconds for test, seconds in self._known.items() if test not in self._took)
        still = left / 60 if self._known else max(self._minutes - so_far / 60, 1)
        return f"{done} of {self._all} tests, {so_far / 60:.0f} min; about {still:.0f} min left"

    def _last_time(self) -> dict[str, float]:
        try:
            return json.loads(self._kept.read_text())
        except (OSError, ValueError):  # there was none, or it was ended while it was written
            return {}

    def keep(self) -> None:
        """For the next time: without tests that are no more, if this time all of them ran."""
        known = {} if len(self._took) == self._all else self._known
        self._kept.write_text(json.dumps({**known, **self._took}))


def show(name: str, part: subprocess.Popen[str], *, sweep: bool) -> list[str]:
    """What is to be known of it, until it has ended. Returns what failed, a line for each."""
    width = max(map(len, PARTS))
    kept = ROOT / "build" / f"took-{'sweep' if sweep else 'tests'}-{name}.json"
    progress, told = Progress(kept, (SWEEP_MINUTES if sweep else MINUTES)[name]), time.monotonic()
    failed: list[str] = []
    summary = False
    for line in part.stdout or ():
        if found := _COLLECTED.search(line):
            progress.collected(int(found["selected"] or found["all"]))
        if found := _PASSED.match(line):
            progress.ended(found["test"])
            if time.monotonic() - told < EVERY:
                continue
            line, told = f"{progress}\n", time.monotonic()
        summary = summary or _SUMMARY in line
        if (_FAILED if summary else _STOPPED).match(line):
            failed.append(line.rstrip())
        print(f"{name:<{width}} | {line}", end="", flush=True)
    progress.keep()
    return failed


EVERY = 30.0
"""Seconds between two words of how far a part is."""
_COLLECTED = re.compile(r"collected (?P<all>\d+) items(?:.* (?P<selected>\d+) selected)?")
_PASSED = re.compile(r"(?P<test>\S+::.*) PASSED +\[ *\d+%\]$")
_SUMMARY = " short test summary info ="
_FAILED = re.compile(r"FAILED |ERROR ")
"""In it."""
_STOPPED = re.compile(r"ERROR: |INTERNALERROR> \w*(Error|Exception)\b")
"""Where pytest comes to no summary."""


class Parts:
    """Those that run, and how those that ran have ended."""

    def __init__(self, *, sweep: bool) -> None:
        self._sweep = sweep
        names = SWEPT if sweep else PARTS
        self._patient = [name for name in names if name in PATIENT]
        self._left = [name for name in names if name not in PATIENT]
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._lock = threading.RLock()  # a signal may come while it is held
        self._told = False
        self._before = set(INSTANCES.glob("*"))
        self.ended: dict[str, int] = {}
        self.failed: list[str] = []

    @property
    def lanes(self) -> list[list[str]]:
        """What each of those who run parts takes them from."""
        return [self._patient, *[self._left] * AT_ONCE]

    def take(self, left: list[str]) -> None:
        """One part after the other, until none is left."""
        while begun := self._next(left):
            name, part = begun
            self.failed += show(name, part, sweep=self._sweep)
            self.ended[name] = part.wait()
            print(f"{name}: {_said(self.ended[name])}", flush=True)

    def _next(self, left: list[str]) -> tuple[str, subprocess.Popen[str]] | None:
        with self._lock:
            if not left:
                return None
            name = left.pop(0)
            self._running[name] = start(name, sweep=self._sweep)
            return name, self._running[name]

    def end(self) -> None:
        """Those that run clean up, and say so; no others begin, which counts as failed.

        Each is told once, however often we are: told again, it would leave its hosts.
        """
        with self._lock:
            self.ended |= dict.fromkeys([*self._patient, *self._left], 130)
            self._patient.clear()
            self._left.clear()
            told, self._told = self._told, True
        for part in () if told else self._running.values():
            part.send_signal(signal.SIGINT)

    def hosts_left(self) -> list[str]:
        """Instances of the lab that they have made and not taken down. Others on this machine have some too."""
        ours = {str(part.pid) for part in self._running.values()}
        made = (_INSTANCE.fullmatch(folder.name) for folder in set(INSTANCES.glob("*")) - self._before)
        return sorted(found.string for found in made if found and found["process"] in ours)


_INSTANCE = re.compile(r"[a-z-]+-(?P<process>\d+)(-\d+)?")
"""As tests name theirs."""


def _go_on_unseen(parts: Parts) -> None:
    """The terminal is gone: nobody reads what is told, and what runs has to end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    parts.end()


def _said(code: int) -> str:
    return "passed" if code == 0 else f"exit code {code}"


def main() -> int:
    """Run all parts. Returns an exit code."""
    sweep = sys.argv[1:] == ["sweep"]
    shown_by("").parent.mkdir(exist_ok=True)
    for name in PARTS:
        shown_by(name).unlink(missing_ok=True)
    parts = Parts(sweep=sweep)
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda _, __: parts.end())
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, lambda _, __: _go_on_unseen(parts))
    with ThreadPoolExecutor() as pool:
        for taking in [pool.submit(parts.take, lane) for lane in parts.lanes]:
            taking.result()
    if sweep:
        publish(parts.ended)
    for line in parts.failed:
        print(line)
    print("; ".join(f"{name}: {_said(code)}" for name, code in parts.ended.items()))
    for instance in (left := parts.hosts_left()):
        print(f"{instance}: its hosts are left; `lab/lab --instance {instance} down --all` ends them")
    return next((code for code in parts.ended.values() if code), 1 if left else 0)


if __name__ == "__main__":
    sys.exit(main())
