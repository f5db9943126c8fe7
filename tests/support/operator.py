"""An operator at a terminal: a folder with a state file, a lab instance, and the commands that a person would give."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.support.lab import Lab

PROGRAMS = Path(sys.executable).parent


@dataclass
class Ended:
    """How a command ended."""

    rc: int
    out: str
    err: str


@dataclass
class Operator:
    """Runs cctl in a folder of its own, with a home of its own."""

    folder: Path
    lab: Lab
    environment: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    records_of_creation: int = 0
    said: list[str] = field(default_factory=list[str], repr=False)
    """All that its commands have shown."""
    seen_arguments: set[bytes] = field(default_factory=set[bytes], repr=False)

    def __post_init__(self) -> None:
        lab = self.lab.env
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "CCTL_STATE": str(self.state),
            "KLUSTERKIT_MIRROR": lab["LAB_MIRROR"],
            "KLUSTERKIT_CACHE": str(Path(lab["LAB_MIRROR"]).parent / "control-machine"),
            "NO_COLOR": "1",
        }
        ssh = self.folder / ".ssh"
        ssh.mkdir(mode=0o700, parents=True, exist_ok=True)
        (ssh / "known_hosts").write_text(Path(lab["LAB_KNOWN_HOSTS"]).read_text())
        self.key = lab["LAB_SSH_KEY"]

    @property
    def state(self) -> Path:
        """The state file."""
        return self.folder / "cctl-state.yaml"

    def command(self, *arguments: str, crash_after: int | None = None) -> list[str]:
        """The command line of cctl, or of one that dies after so many records of the journal."""
        if crash_after is None:
            return [str(PROGRAMS / "cctl"), *arguments]
        crashing = str(Path(__file__).with_name("crashing_cctl.py"))
        return [sys.executable, "-P", crashing, str(crash_after), *arguments]

    def __call__(
        self, *arguments: str, rc: int | None = 0, crash_after: int | None = None, timeout: float = 600
    ) -> Ended:
        """Run cctl to its end, and check its exit code unless that may be any."""
        command = self.command(*arguments, crash_after=crash_after)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
        assert rc is None or done.returncode == rc, (
            f"cctl {arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        self.said.append(done.stdout + done.stderr)
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start cctl and don't wait."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def prepare(self, *options: str) -> None:
        """The original's first two commands, with options for the second one; ``--debug`` is for both."""
        debug = [word for word in options if word == "--debug"]
        self("create", "credential", "--user", "root", "--private-key", self.key, *debug)
        networks = ("--pod-network", "192.168.0.0/16", "--service-network", "192.169.0.0/24")
        self("create", "cluster", *networks, *options)

    def records(self) -> int:
        """How many journal records the state file holds."""
        return self._records(self.state)

    def records_of_last_run(self) -> int:
        """How many records the journal of the last run had when it ended: the generation before the fold has it."""
        return self._records(self.state.with_name(f"{self.state.name}.1"))

    @staticmethod
    def _records(path: Path) -> int:
        return sum(1 for line in path.read_text().splitlines() if line.startswith("--- {"))

    def kubectl(self, *arguments: str) -> str:
        """The real kubectl, with the kubeconfig that cctl gives."""
        config = self.folder / "kubeconfig"
        if not config.exists():
            self("kubeconfig", "--out", str(config))
        mirror = Path(self.environment["KLUSTERKIT_MIRROR"])
        kubectl = next(iter(sorted(mirror.glob("dl.k8s.io/release/*/bin/linux/*/kubectl"), reverse=True)))
        kubectl.chmod(0o755)
        command = [str(kubectl), "--kubeconfig", str(config), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, (
            f"kubectl {arguments} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        )
        return ended.stdout


class HasKubectl(Protocol):
    """A cluster that the real kubectl is asked about."""

    def kubectl(self, *arguments: str) -> str:
        """What it prints."""
        ...


def nodes_ready(cluster: HasKubectl) -> Sequence[str]:
    """The names of the nodes that are Ready."""
    template = '{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
    lines = cluster.kubectl("get", "nodes", "-o", f"jsonpath={template}").splitlines()
    return [line.split("=")[0] for line in lines if line.endswith("=True")]
