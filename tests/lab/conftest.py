"""What the tests of the lab share: the lab's command, and instances of their own that are gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[2] / "lab"
sys.path.insert(0, str(LAB))


@dataclass(frozen=True)
class Lab:
    """The lab's command with an instance of its own."""

    instance: str

    def try_(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to whatever end."""
        argv = [str(LAB / "lab"), "--instance", self.instance, *words]
        return subprocess.run(argv, text=True, capture_output=True, env=os.environ | env, timeout=120)

    def __call__(self, *words: str, **env: str) -> str:
        """Run a command that must succeed; gives its stdout."""
        done = self.try_(*words, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def on(self, host: str, script: str, user: str = "root") -> str:
        """Run a script on a host; it must succeed."""
        return self("ssh", "--user", user, host, "--", script)

    def env(self) -> dict[str, str]:
        """What `env` says, as a shell reads it."""
        script = f"unset ${{!LAB_*}}; eval \"$('{LAB}/lab' --instance {self.instance} env)\"; env | grep ^LAB_"
        lines = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True).stdout.split("\n")
        return dict(line.split("=", 1) for line in lines if line)


@pytest.fixture(scope="module")
def instances() -> Generator[Callable[[], Lab]]:
    """Makes instances that nobody else has; all are down when the module's tests are."""
    made: list[Lab] = []

    def make() -> Lab:
        made.append(Lab(f"test-{os.getpid()}-{len(made)}"))
        return made[-1]

    yield make
    for lab in made:
        lab("down", "--all")
