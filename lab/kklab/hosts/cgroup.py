"""The control groups of a host: what it is limited by, and what is killed when its plug is pulled.

A host has a group in every hierarchy: in systemd's own too, or the services of two hosts would share groups
there. On a machine with version 2 alone it has one group; that way was written but not tried.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from kklab.errors import LabError

MOUNT = Path("/sys/fs/cgroup")
PARENT = "klusterkit-lab"
V2_CONTROLLERS = "+cpu +cpuset +memory +pids +io"
KILL_SECONDS = 10.0
MAKE_SECONDS = 10.0
PERIOD_US = 100_000
JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 1; shift; done; shift; exec "$@"'
"""Shell: write oneself into each file up to `--`, then become the program after it."""


def is_v2() -> bool:
    """Whether the machine has version 2 alone."""
    return (MOUNT / "cgroup.controllers").exists()


class Group:
    """The control groups of one host, or of what serves it. What is in them was started by the lab.

    Args:
        instance: the instance that it belongs to.
        name: the host's name, or another name in the instance.
    """

    def __init__(self, instance: str, name: str) -> None:
        self._below = Path(PARENT) / instance / name

    def launch(self, argv: Sequence[str], log: Path) -> None:
        """Start a program that is in the groups from its first instruction on, and outlives this one.

        Args:
            log: what it writes is appended there.
        """
        entries = [str(folder / "cgroup.procs") for folder in self.create()]
        with log.open("ab") as out:
            subprocess.Popen(
                ["/bin/sh", "-c", JOIN, "launch", *entries, "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def create(self) -> list[Path]:
        """Make the groups; a process that writes its id into `cgroup.procs` of each is in."""
        folders = list(self._folders())
        for hierarchy, folder in zip(self._hierarchies(), folders, strict=True):
            _make(folder)
            self._prepare(hierarchy)
        return folders

    def processes(self) -> list[int]:
        """Ids of all processes of the host."""
        found: set[int] = set()
        for folder in self._folders():
            # os.walk passes over groups that vanish meanwhile; a running host makes and removes them all the time.
            for below, _, _ in os.walk(folder):
                with contextlib.suppress(OSError):
                    found.update(int(line) for line in Path(below, "cgroup.procs").read_text().split())
        return sorted(found)

    def kill(self) -> None:
        """End all processes of the host at once, as if its plug was pulled.

        Raises:
            LabError: some are still there after ten seconds.
        """
        deadline = time.monotonic() + KILL_SECONDS
        while left := self.processes():
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise LabError(f"processes {left} of {self._below} don't end")
            time.sleep(0.02)

    def remove(self) -> None:
        """Take the groups away, once nothing is in them."""
        for folder in self._folders():
            for below, _, _ in os.walk(folder, topdown=False):
                _remove(Path(below))
            _remove(folder.parent)
            _remove(folder.parent.parent)

    def limit(self, memory: int | None, cpus: float | None) -> None:
        """Set the most memory in bytes and the most processor time; None is no limit."""
        if is_v2():
            self._write("", "memory.max", "max" if memory is None else str(memory))
            quota = "max" if cpus is None else str(int(cpus * PERIOD_US))
            self._write("", "cpu.max", f"{quota} {PERIOD_US}")
            return
        self._write("memory", "memory.limit_in_bytes", "-1" if memory is None else str(memory))
        self._write("cpu", "cpu.cfs_quota_us", "-1" if cpus is None else str(int(cpus * PERIOD_US)))

    def _hierarchies(self) -> Iterator[Path]:
        if is_v2():
            yield MOUNT
            return
        for path in sorted(MOUNT.iterdir()):
            # Several names may lead to one hierarchy (cpu,cpuacct); a link is one of them.
            if path.is_dir() and not path.is_symlink():
                yield path

    def _folders(self) -> Iterator[Path]:
        for hierarchy in self._hierarchies():
            yield hierarchy / self._below

    def _prepare(self, hierarchy: Path) -> None:
        steps = [hierarchy / Path(*self._below.parts[:depth]) for depth in range(1, 4)]
        for step in steps:
            if is_v2():
                (step.parent / "cgroup.subtree_control").write_text(V2_CONTROLLERS)
            elif (step / "cpuset.cpus").exists():
                # A new cpuset is empty, and takes no process before it is filled.
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (step / name).write_text((step.parent / name).read_text())
            elif (step / "memory.use_hierarchy").exists():
                with contextlib.suppress(OSError):
                    (step / "memory.use_hierarchy").write_text("1")

    def _write(self, controller: str, name: str, value: str) -> None:
        folder = MOUNT / controller / self._below
        try:
            (folder / name).write_text(value)
        except OSError as refused:
            raise LabError(f"the kernel refused {name} = {value}: {refused.strerror}") from refused


def _make(folder: Path) -> None:
    # Again and again: what ends beside us takes the groups above away as long as ours isn't in them.
    deadline = time.monotonic() + MAKE_SECONDS
    while not folder.is_dir():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:
            if time.monotonic() > deadline:
                raise


def _remove(folder: Path) -> None:
    # Not empty: another host is in it. Gone: somebody else was quicker.
    with contextlib.suppress(OSError):
        folder.rmdir()
