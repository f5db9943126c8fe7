"""Long programs of a simulated machine, with the records that outlive connections and power cuts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from klusterkit.engine.host import Completed, JobState

if TYPE_CHECKING:
    from klusterkit.hosts.simulated.machine import Machine

ENDED_BY_TIMEOUT = 124


@dataclass
class Job:
    """A long program's record."""

    argv: tuple[str, ...]
    stdin: bytes
    boot: int
    started: float
    ends: float
    """When it ends by itself."""
    timeout: float
    completed: Completed | None = None
    timed_out: bool = False

    @property
    def settles(self) -> float:
        """When it ends, one way or the other."""
        return min(self.ends, self.started + self.timeout)


class Jobs:
    """The records of one machine. Callers hold the machine's lock."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.records: dict[str, Job] = {}
        """By their keys."""

    def start(self, key: str, argv: Sequence[str], stdin: bytes, timeout: float, *, hangs: bool) -> Job:
        """Start it, unless there is a record."""
        if key not in self.records:
            now = self._machine.clock.now()
            ends = math.inf if hangs else now + self._machine.find_program(argv).takes
            self.records[key] = Job(tuple(argv), stdin, self._machine.boots, now, ends, timeout)
        return self.records[key]

    def state(self, key: str) -> JobState:
        """What the record says now."""
        job = self.records.get(key)
        if job is None:
            return JobState(status="none")
        self.settle(job)
        if job.completed is not None:
            return JobState(status="ended", completed=job.completed)
        return JobState(status="running" if job.boot == self._machine.boots else "vanished")

    def settle_all(self) -> None:
        """Let every program have ended whose time has come, whether somebody asks for it or not."""
        for job in list(self.records.values()):
            self.settle(job)

    @property
    def running(self) -> list[str]:
        """Keys of the programs that are alive."""
        return [key for key in self.records if self.state(key).status == "running"]

    def settle(self, job: Job) -> None:
        """Let the program have ended, if its time has come. It acts at this moment, and once."""
        gone = job.boot != self._machine.boots
        if job.completed is not None or gone or self._machine.clock.now() < job.settles:
            return
        if job.ends > job.started + job.timeout:
            job.timed_out = True
            job.completed = Completed(rc=ENDED_BY_TIMEOUT)
        else:
            job.completed = self._machine.find_program(job.argv).act(self._machine, job.argv, job.stdin)

    def stop(self, key: str) -> None:
        """End it now; it doesn't act any more."""
        if self.state(key).status == "running":
            self.records[key].completed = Completed(rc=143)
