"""An operator and a private host, for runs of a few files: what there is to see of a run without a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from private_host import PrivateHost

from klusterkit.cluster import Machine
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Step
from klusterkit.tasks.files import TextFile
from tests.support.operator import PROGRAMS, Ended

ADDRESS = "192.0.2.7"
"""The machine's address to the state file, which takes no loopback; the SSH configuration leads it to the host."""


class SmallSite:
    """An operator with a home, a state file, and one host that small plans are for.

    Args:
        host: the machine ``m1``.
        home: the operator's.
        options: of the command that makes the state file.
    """

    def __init__(self, host: PrivateHost, home: Path, *options: str) -> None:
        self.host = host
        self.home = home
        ssh = home / ".ssh"
        ssh.mkdir(mode=0o700, parents=True)
        (ssh / "config").write_text(f"Host {ADDRESS}\n  HostName 127.0.0.1\n")
        (ssh / "known_hosts").write_text("\n".join(host.known_hosts) + "\n")
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1"}
        self("create", "credential", "--user", "root", "--private-key", str(host.key), *options)
        self("create", "cluster")

    @property
    def state(self) -> Path:
        return self.home / "cctl-state.yaml"

    @property
    def snapshot(self) -> dict[str, Any]:
        return next(iter(yaml.safe_load_all(self.state.read_text())))

    def command(self, *arguments: str, crash_after: int | None = None) -> list[str]:
        if crash_after is None:
            return [str(PROGRAMS / "cctl"), *arguments]
        crashing = str(Path(__file__).parents[1] / "support" / "crashing_cctl.py")
        return [sys.executable, "-P", crashing, str(crash_after), *arguments]

    def __call__(self, *arguments: str, rc: int = 0, crash_after: int | None = None) -> Ended:
        ended = subprocess.run(
            self.command(*arguments, crash_after=crash_after),
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == rc, ended.stdout + ended.stderr
        return Ended(ended.returncode, ended.stdout, " ".join(ended.stderr.split()))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start cctl and don't wait."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def save(self, *steps: Step, timeout: float = 60.0, name: str = "plan.yaml") -> str:
        """A saved plan of these steps on the host, one after the other, which makes a master of it."""
        tasks = [
            Task(
                id=f"m1/{number}", host="m1", step=step, timeout=timeout, needs=(f"m1/{number - 1}",) if number else ()
            )
            for number, step in enumerate(steps)
        ]
        machine = Machine.of(name="m1", address=ADDRESS, roles="master", port=self.host.port)
        plan = Plan(
            operation="write files",
            lineage=self.snapshot["lineage"],
            serial=self.snapshot["serial"],
            tasks=tuple(tasks),
            outcome={"machines": [machine.to_object()]},
        )
        (self.home / name).write_text(plan.to_yaml())
        return name

    def on_host(self, script: str) -> str:
        """What a script prints there."""
        command = [*self.host.shell, "-c", script]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def files(*paths: str) -> Sequence[Step]:
    """Steps that write a file each."""
    return [TextFile(path=path, content=f"{path}\n") for path in paths]
