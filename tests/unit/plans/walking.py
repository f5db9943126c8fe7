"""Walking a plan on a model of its hosts as the runner does: forward, back, and cut at any change."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from klusterkit.engine.host import Entry
from klusterkit.engine.journal import Journal, Record
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord, done_by_host
from klusterkit.engine.step import Context, Undo
from klusterkit.hosts.simulated import SimulatedCrash
from tests.unit.engine.bench import MemoryStore
from tests.unit.plans.host_model import ClusterModel, HostModel
from tests.unit.plans.supplies import context

State = dict[str, tuple[list[Entry], tuple[str, ...]]]


class Walk:
    """One run of a plan.

    Args:
        plan: what is walked.
        model: its hosts, by their names in the plan.
        folder: where artifacts are written when they are asked for.
        run: what the run is called.
    """

    def __init__(self, plan: Plan, model: ClusterModel, folder: Path, run: str = "r1") -> None:
        self.plan = plan
        self.run = run
        self.model = model
        self.folder = folder
        self.begun: dict[str, dict[str, Any]] = {}
        """What was journaled as there before, by the tasks that began."""
        self.done: set[str] = set()

    def forward(self, attempt: int = 1, order: Sequence[str] | None = None) -> list[str]:
        """Walk to the end; returns the tasks that had something to do. What is done is not looked at again."""
        changed: list[str] = []
        for name in (name for name in order or self.plan.order if name not in self.done):
            if self._changed(name, attempt):
                changed.append(name)
            self.done.add(name)
        return changed

    def _changed(self, name: str, attempt: int) -> bool:
        task, on = self.plan.by_id[name], self._on(name, attempt=attempt)
        seen = task.step.observe(on)
        if not seen.satisfied:
            self.begun.setdefault(name, json.loads(json.dumps(seen.before)))
            task.step.apply_many([task.step], [on], [self.begun[name]])
        return not seen.satisfied

    def _on(self, name: str, *, attempt: int = 1, undoing: bool = False) -> Context:
        host = self.model[self.plan.by_id[name].host]
        on = context(host, name, self.folder, attempt=attempt, undoing=undoing)
        return replace(on, run=f"{self.run}.0")

    def back(self, attempt: int = 1, order: Sequence[str] | None = None) -> None:
        """Walk back what was begun. After each undo its step has to see what it saw before."""
        for name in reversed(order or self.plan.order):
            task = self.plan.by_id[name]
            if name in self.begun and task.step.undoing is Undo.EXACT:
                on = self._on(name, attempt=attempt, undoing=True)
                task.step.undo(on, self.begun[name])
                assert json.loads(json.dumps(task.step.observe(on).before)) == self.begun[name], name

    def records(self) -> dict[str, HostRecord]:
        """What the end of the run leaves on each host."""
        journal = Journal.open(MemoryStore(), self.plan, run=self.run, who="somebody")
        for name in self.plan.order:
            said = {"at": time.time(), "task": name}
            if name in self.begun:
                journal.write(Record(record="begin", attempt=1, before=self.begun[name], **said))
            journal.write(Record(record="end", changed=name in self.begun, **said))
        return {
            host: HostRecord().after(done) for host, done in done_by_host(self.plan, self.run, journal.states).items()
        }

    def cut(self, host: str, moment: Any, change: int) -> None:
        """Walk until a host's change of this number, which is the last that is heard of us."""
        self.model[host].host.faults.crash(moment, change)
        with pytest.raises(SimulatedCrash):
            self.forward()


def state_of(host: HostModel) -> tuple[list[Entry], tuple[str, ...]]:
    """All that lasts: files but KlusterKit's own and those that no boot survives, and what runs."""
    files = [entry for entry in host.machine.listing() if not entry.path.startswith("/run")]
    return files, host.machine.systemd.active


def changes(host: HostModel) -> int:
    """How many calls have changed it."""
    return host.host.faults.mutations
