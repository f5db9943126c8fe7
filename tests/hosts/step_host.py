"""A real host for steps: a lab host over SSH, with what a test wants to know of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from klusterkit.engine.host import HOME
from klusterkit.engine.step import Context, Step
from klusterkit.hosts.credentials import load_private_key
from klusterkit.hosts.hostkeys import HostKeys
from klusterkit.hosts.link import Link
from klusterkit.hosts.question import Question
from klusterkit.hosts.shellhost import ShellHost
from klusterkit.hosts.ssh import Login, SshTransport

LAB = Path(__file__).parents[2] / "lab" / "lab"
CHANGING = ("write", "mkdir", "remove", "keep", "put_back", "upload", "run", "job")


class Cut(BaseException):
    """The caller dies here."""


class CutHost:
    """A host whose caller dies right before or right after a changing call."""

    def __init__(self, host: ShellHost) -> None:
        self._host = host
        self.left: int | None = None
        self.after = False
        self.changes = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._host, name)
        return self._watched(method) if name in CHANGING else method

    def _watched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.changes += 1
            cut = self._due()
            if cut and not self.after:
                raise Cut
            result = method(*args, **options)
            if cut:
                raise Cut
            return result

        return call

    def _due(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        if self.left:
            return False
        self.left = None
        return True


@dataclass
class StepHost:
    """One lab host, and steps on it."""

    instance: str
    name: str
    secrets: dict[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    artifacts: dict[str, Path] = field(default_factory=dict[str, Path])
    runs: int = 0

    def __post_init__(self) -> None:
        self.real = self._connected()
        self.host = CutHost(self.real)
        self.pristine = self.listing()

    def _connected(self) -> ShellHost:
        lines = self.lab("env").splitlines()
        env = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        keys = HostKeys(files=[Path(env["LAB_KNOWN_HOSTS"])])
        key = load_private_key(Path(env["LAB_SSH_KEY"]).read_bytes(), None, "the lab's key")
        login = Login(address=env[f"LAB_HOST_{self.name}"], key=key)
        question = Question(kernel_features=("overlay", "br_netfilter", "vxlan", "nf_tables"))
        return ShellHost(Link(SshTransport(self.name, login, keys)), question)

    def lab(self, *words: str) -> str:
        argv = [str(LAB), "--instance", self.instance, *words]
        done = subprocess.run(argv, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sh(self, script: str) -> str:
        """What a shell on the host says."""
        ended = self.real.run(["/bin/sh", "-c", script])
        assert ended.ok, f"{script}: {ended.said}"
        return ended.text

    def listing(self) -> dict[str, str]:
        """Every path but KlusterKit's own."""
        lines = self.lab("digest", self.name, "--listing", "--without", HOME).splitlines()
        return dict(line.split(" ", 1) for line in lines if not line.startswith("digest "))

    def on(self, step: Step, *, attempt: int = 1, undoing: bool = False) -> Context:
        return Context(
            host=self.host,  # type: ignore[arg-type]
            run=f"test.{self.runs}",
            task=f"{self.name}/{step.kind}/{hashlib.sha256(json.dumps(step.spec()).encode()).hexdigest()[:8]}",
            attempt=attempt,
            undoing=undoing,
            secret=self.secrets.__getitem__,
            artifact=self.artifacts.__getitem__,
        )

    def apply(self, step: Step, before: Mapping[str, Any] | None = None, *, attempt: int = 1) -> dict[str, Any]:
        on = self.on(step, attempt=attempt)
        known = step.observe(on).before if before is None else before
        step.apply_many([step], [on], [known])
        return dict(known)

    def undo(self, step: Step, before: Mapping[str, Any], *, attempt: int = 1) -> None:
        on = self.on(step, attempt=attempt, undoing=True)
        step.undo(on, before)
        assert step.observe(on).before == before

    def survive_cuts(self, step: Step) -> int:
        """Cut apply before and after each change: it can be finished, and undone. Returns how many cuts there were."""
        start = self.host.changes
        before = self.apply(step)
        changes = self.host.changes - start
        self.undo(step, before)
        for change in range(1, changes + 1):
            for after in (False, True):
                self.runs += 1
                self._cut(step, before, change, after=after)
        return 2 * changes

    def _cut(self, step: Step, before: Mapping[str, Any], change: int, *, after: bool) -> None:
        assert step.observe(self.on(step)).before == before
        self.host.left, self.host.after = change, after
        with contextlib.suppress(Cut):
            step.apply_many([step], [self.on(step)], [before])
        self.host.left = None
        self.apply(step, before, attempt=2)
        self.undo(step, before, attempt=1)
