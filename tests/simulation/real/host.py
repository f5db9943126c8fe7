"""A simulated host as one process reaches it, which may be killed before, in the middle of and after each call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from klusterkit.engine.facts import Facts
from klusterkit.engine.host import Completed, Entry, File, JobState
from klusterkit.hosts.simulated import Machine, Question, SimulatedHost
from tests.simulation.crash import Dead, Life
from tests.simulation.real.troubles import Troubles, raise_after, raise_before

T = TypeVar("T")
Acts = Callable[[str], None]


class FencedHost:
    """A connection that ends with its process. Calls to all hosts come one after the other.

    Args:
        name: of the machine in the plan.
        machine: what is reached.
        life: of the process.
        question: what ``facts`` looks for.
        troubles: what goes wrong on the way.
        acts: told the method of each call that may change the machine, before it does.
    """

    def __init__(
        self, name: str, machine: Machine, life: Life, question: Question, troubles: Troubles, acts: Acts
    ) -> None:
        self.name = name
        self._host = SimulatedHost(name, machine=machine, question=question)
        self._life = life
        self._troubles = troubles
        self._acts = acts

    def facts(self) -> Facts:
        return self._look("facts", self._host.facts)

    def neighbour(self, address: str, interface: str) -> str:
        return self._look(f"neighbour {address}", lambda: self._host.neighbour(address, interface))

    def stat(self, *paths: str) -> tuple[Entry, ...]:
        return self._look(f"stat {paths[:1]}", lambda: self._host.stat(*paths))

    def read(self, path: str) -> bytes:
        return self._look(f"read {path}", lambda: self._host.read(path))

    def job_state(self, key: str) -> JobState:
        return self._look(f"state of {key}", lambda: self._host.job_state(key))

    def write(self, *files: File) -> None:
        self._change("write", files[0].path, lambda: self._host.write(*files))

    def mkdir(self, path: str | Sequence[str], mode: int = 0o755, owner: str = "root:root") -> None:
        self._change("mkdir", str(path), lambda: self._host.mkdir(path, mode, owner))

    def remove(self, *paths: str, recursive: bool = False) -> None:
        self._change("remove", " ".join(paths[:1]), lambda: self._host.remove(*paths, recursive=recursive))

    def keep(self, path: str, place: str) -> None:
        self._change("keep", path, lambda: self._host.keep(path, place))

    def put_back(self, place: str, path: str) -> None:
        self._change("put_back", path, lambda: self._host.put_back(place, path))

    def upload(self, source: Path, sha256: str, path: str, mode: int = 0o644) -> None:
        self._change("upload", path, lambda: self._host.upload(source, sha256, path, mode))

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        return self._change("run", _brief(argv), lambda: self._host.run(argv, stdin=stdin, timeout=timeout))

    def job_stop(self, key: str) -> None:
        self._change("job_stop", key, lambda: self._host.job_stop(key))

    def job(self, key: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 600.0) -> Completed:
        """Between its start and its end the program is alone, and others may act."""
        words = f"job {key}: {_brief(argv)}"
        with self._life.guard:
            self._reach(f"before {words}")
            self._acts("job")
            trouble = self._troubles.next_change(self.name)
            job = self._host.machine.jobs.start(key, argv, stdin, timeout, hangs=trouble == "hangs")
            if trouble in ("fails", "fails for good") and job.completed is None:
                job.completed = Completed(rc=1, err=b"it failed")
            self._life.moment(f"started {words}")
            raise_after(trouble, self.name)
        with self._life.guard:
            self._reach(f"wait for {words}")
            ended = self._host.job(key, argv, stdin=stdin, timeout=timeout)
            self._life.moment(f"ended {words}")
            return ended

    def _look(self, words: str, look: Callable[[], T]) -> T:
        with self._life.guard:
            self._reach(f"{self.name}: {words}")
            return look()

    def _change(self, method: str, what: str, change: Callable[[], T]) -> T:
        words = f"{method} {what}"
        with self._life.guard:
            self._reach(f"before {words}")
            self._acts(method)
            trouble = self._troubles.next_change(self.name)
            raise_before(trouble, self.name)
            if self._life.burns_next:
                self._die_in_the_middle(words, change)
            result = change()
            self._life.moment(f"after {words}")
            raise_after(trouble, self.name)
            return result

    def _die_in_the_middle(self, words: str, change: Callable[[], object]) -> None:
        """Half of it is done when the process is killed."""
        self._host.faults.crash("middle", 1, Dead(words))
        try:
            change()
        finally:
            self._life.moment(f"in the middle of {words}")

    def _reach(self, words: str) -> None:
        self._life.moment(words)
        self._host.machine.jobs.settle_all()
        self._troubles.reach(self.name)


def _brief(argv: Sequence[str]) -> str:
    return " ".join(word for word in argv if not word.startswith("--"))[:80]
