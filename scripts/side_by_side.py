#!/usr/bin/env python3
"""All tests but the sweeps, in parts that run side by side: a real cluster mostly waits while the simulation computes.

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
PARTS = {"hosts": ("tests/cluster", "tests/hosts", "tests/lab"), "logic": ("tests/simulation", "tests/unit")}
"""Not more: real hosts have limits of time to hold, on two processors too."""


def start(folders: tuple[str, ...]) -> subprocess.Popen[str]:
    """One part, whose interrupts come from the terminal as ours do."""
    pytest = [ROOT / ".venv/bin/python", "-u", "-m", "pytest", "-m", "not sweep", "--color=no", *folders]
    return subprocess.Popen(pytest, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def show(name: str, part: subprocess.Popen[str]) -> None:
    """Its lines, until it has ended."""
    width = max(map(len, PARTS))
    for line in part.stdout or ():
        print(f"{name:<{width}} | {line}", end="", flush=True)


def main() -> int:
    """Run all parts. Returns an exit code."""
    parts = {name: start(folders) for name, folders in PARTS.items()}

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
    print("; ".join(f"{name}: {'passed' if code == 0 else f'exit code {code}'}" for name, code in ended.items()))
    return next((code for code in ended.values() if code), 0)


if __name__ == "__main__":
    sys.exit(main())
