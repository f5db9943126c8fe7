#!/usr/bin/env python3
"""All tests but the sweeps, in parts that run side by side: a real cluster mostly waits while the simulation computes.

With ``sweep``, the sweeps instead, and what they have shown becomes ``docs/proof.md``.

Lines of the parts come as they are written, each with its part's name. The exit
code is the first that isn't 0. When it is interrupted or ended, each part takes down its hosts before this ends.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROOF = ROOT / "docs" / "proof.md"
PARTS = {"hosts": ("tests/cluster", "tests/hosts", "tests/lab"), "logic": ("tests/simulation", "tests/unit")}
"""Not more: real hosts have limits of time to hold, on two processors too."""


def start(name: str, *, sweep: bool) -> subprocess.Popen[str]:
    """One part, whose interrupts come from the terminal as ours do."""
    which = ["-m", "sweep", "--timeout", "7200", "--proof", shown_by(name)] if sweep else ["-m", "not sweep"]
    pytest = [ROOT / ".venv/bin/python", "-u", "-m", "pytest", *which, "--color=no", *PARTS[name]]
    return subprocess.Popen(pytest, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def shown_by(name: str) -> Path:
    """Where a part of the sweeps leaves its table."""
    return ROOT / "build" / f"proof-{name}.md"


def publish() -> None:
    """One page of the tables of all parts."""
    tables = [shown_by(name).read_text() for name in PARTS if shown_by(name).exists()]
    head = "# Proof\n\nWhat takes too long for every run of the tests, as `make sweep` found it.\n"
    PROOF.write_text("\n".join([head, *tables]))


def show(name: str, part: subprocess.Popen[str]) -> None:
    """Its lines, until it has ended."""
    width = max(map(len, PARTS))
    for line in part.stdout or ():
        print(f"{name:<{width}} | {line}", end="", flush=True)


def main() -> int:
    """Run all parts. Returns an exit code."""
    sweep = sys.argv[1:] == ["sweep"]
    shown_by("").parent.mkdir(exist_ok=True)
    for name in PARTS:
        shown_by(name).unlink(missing_ok=True)
    parts = {name: start(name, sweep=sweep) for name in PARTS}

    def end(_: int, __: object) -> None:
        for part in parts.values():
            part.send_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, end)
    shown = [threading.Thread(target=show, args=part) for part in parts.items()]
    for thread in shown:
        thread.start()
    for thread in shown:
        while thread.is_alive():
            with contextlib.suppress(KeyboardInterrupt):  # the parts heard it too: they clean up, and say so
                thread.join()
    ended = {name: part.wait() for name, part in parts.items()}
    if sweep:
        publish()
    print("; ".join(f"{name}: {'passed' if code == 0 else f'exit code {code}'}" for name, code in ended.items()))
    return next((code for code in ended.values() if code), 0)


if __name__ == "__main__":
    sys.exit(main())
