"""How long `cctl --help` takes, the interpreter included."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, seconds


def figures() -> Iterator[Figure]:
    """The median of twenty starts."""
    cctl = str(Path(sys.executable).with_name("cctl"))
    taken = seconds(lambda: subprocess.run([cctl, "--help"], check=True, capture_output=True), times=20)
    yield Figure("cctl --help", taken * 1000, 150, " ms")
