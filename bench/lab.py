"""Lab hosts for a benchmark: made when it begins, gone when it ends, however it ends."""

from __future__ import annotations

import fcntl
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.figure import progress, took

ROOT = Path(__file__).parents[1]
INSTANCE = "bench"


class Lab:
    """The instance of the lab that benchmarks run in."""

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run one of the lab's commands; returns what it printed. Raises with its last words when it fails."""
        command = [str(ROOT / "lab" / "lab"), "--instance", INSTANCE, *arguments]
        ended = subprocess.run(command, input=stdin, capture_output=True, check=False)
        if ended.returncode:
            raise RuntimeError(f"{shlex.join(command)}: {ended.stderr.decode(errors='replace')[-2000:]}")
        return ended.stdout.decode()

    def on(self, host: str, command: str, stdin: bytes | None = None) -> str:
        """Run a shell command on a host; returns what it printed."""
        return self("ssh", host, "--", command, stdin=stdin)

    @property
    def environment(self) -> dict[str, str]:
        """What ``lab env`` says: key, known hosts, addresses, where the mirror is."""
        words = shlex.split(self("env"))
        return dict(word.split("=", 1) for word in words if "=" in word)

    def address(self, host: str) -> str:
        """The address of a host."""
        return self.environment[f"LAB_HOST_{host}"]


@contextmanager
def hosts(*names: str) -> Generator[Lab]:
    """Fresh hosts. Raises if another benchmark runs on this machine: both would measure each other."""
    with (Path(tempfile.gettempdir()) / "klusterkit-bench.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RuntimeError("another benchmark is running on this machine; wait for its end") from None
        lab = Lab()
        try:
            lab("down", "--all")
            lab("up", *names)
            yield lab
        finally:
            lab("down", "--all")


def in_turn(
    lab: Lab, hosts: Sequence[str], ours: Callable[[], object], theirs: Callable[[], object], turns: int
) -> tuple[list[float], list[float]]:
    """What each of two took, in seconds, on the same hosts, which are pristine each time. Who begins changes."""
    times: dict[str, list[float]] = {"KlusterKit": [], "the script": []}
    contenders = {"KlusterKit": ours, "the script": theirs}
    for number in range(turns):
        for name in [*contenders][:: -1 if number % 2 else 1]:
            lab("reset", *hosts)
            times[name].append(took(contenders[name]))
            progress(f"{len(hosts)} hosts by {name}: {times[name][-1]:.1f} s")
    return times["KlusterKit"], times["the script"]
