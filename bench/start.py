"""How long `cctl --help` takes, the interpreter included."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, seconds

TIMES = 20


def figures() -> Iterator[Figure]:
    """The median of twenty starts, and of an interpreter that does nothing, which is part of each."""
    cctl = str(Path(sys.executable).with_name("cctl"))
    ours, bare = (
        seconds(lambda command=command: subprocess.run(command, check=True, capture_output=True), TIMES) * 1000
        for command in ([cctl, "--help"], [sys.executable, "-c", "pass"])
    )
    yield Figure("cctl --help", ours, 150, " ms", f"of which {bare:.0f} ms the interpreter; median of {TIMES}")
