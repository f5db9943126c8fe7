"""``python -m bench [NAME…]``: measures, prints a line a figure, and keeps all of them in ``docs/bench.md``."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.figure import Figure, table

PARTS = ("start", "checkpoint", "compiling", "files", "joining", "creation", "several")
REPORT = Path("docs/bench.md")


def main() -> int:
    """Exit 0 when everything was measured, whatever it came to: this is a measurement, not a test."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", metavar="NAME", nargs="*", help=f"of {', '.join(PARTS)}; by default all")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    # Ended by a signal, hosts are taken down as well.
    signal.signal(signal.SIGTERM, _end)
    # Nobody compiles all modules anew each time that a program starts, and here none of the contenders does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found: list[Figure] = []
    for name in chosen:
        for figure in importlib.import_module(f"bench.{name}").figures():
            found.append(figure)
            print(figure.line(), flush=True)
    if set(chosen) == set(PARTS):
        REPORT.write_text(report(found))
    return 0


def _end(*_: object) -> None:
    sys.exit(143)


def report(found: list[Figure]) -> str:
    """The page: the table, and what is needed to believe it."""
    return f"""# Speed

{table(found)}
Measured {time.strftime("%Y-%m-%d", time.gmtime())} with `make bench` on {_machine()}; {_versions()}.

Ratios are ours divided by theirs: medians of runs that took turns on the same hosts, each in a new process, the time
to connect included; of file steps, one run of each of the others. The hosts are containers on the same machine, so
that programs on the hosts, and not the network, take the time. What each part does is in `bench/`;
`python -m bench NAME…` measures a part.
"""


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    busy = f"load {os.getloadavg()[2]:.1f}"
    return f"{os.cpu_count()} processors, {memory:.0f} GiB, Linux {platform.release()}, {busy}"


def _versions() -> str:
    from bench import others

    describe = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(describe, check=False, capture_output=True, text=True).stdout
    found = {"KlusterKit": commit.strip() or "unknown", "Python": platform.python_version()}
    found |= others.versions(others.install())
    said = subprocess.run(["ssh", "-V"], check=False, capture_output=True, text=True).stderr
    if openssh := re.search(r"OpenSSH_(\S+?),?\s", said):
        found["OpenSSH"] = openssh[1]
    return ", ".join(f"{name} {version}" for name, version in found.items())


if __name__ == "__main__":
    sys.exit(main())
