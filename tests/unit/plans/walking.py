"""Walking a plan on a model of its hosts as the runner does: forward, back, and cut at any change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from klusterkit.engine.host import Entry
from klusterkit.engine.plan import Plan
from klusterkit.engine.step import Undo
from klusterkit.hosts.simulated import SimulatedCrash
from tests.unit.plans.host_model import ClusterModel, HostModel
from tests.unit.plans.supplies import context

State = dict[str, tuple[list[Entry], tuple[str, ...]]]


class Walk:
    """One run of a plan.

    Args:
        plan: what is walked.
        model: its hosts, by their names in the plan.
        folder: where artifacts are written when they are asked for.
    """

    def __init__(self, plan: Plan, model: ClusterModel, folder: Path) -> None:
        self.plan = plan
        self.model = model
        self.folder = folder
        self.begun: dict[str, dict[str, Any]] = {}
        """What was journaled as there before, by the tasks that began."""

    def forward(self, attempt: int = 1, order: Sequence[str] | None = None) -> list[str]:
        """Walk to the end; returns the tasks that had something to do."""
        changed: list[str] = []
        for name in order or self.plan.order:
            task = self.plan.by_id[name]
            on = context(self.model[task.host], name, self.folder, attempt=attempt)
            seen = task.step.observe(on)
            if seen.satisfied:
                continue
            self.begun.setdefault(name, json.loads(json.dumps(seen.before)))
            task.step.apply_many([task.step], [on], [self.begun[name]])
            changed.append(name)
        return changed

    def back(self, attempt: int = 1, order: Sequence[str] | None = None) -> None:
        """Walk back what was begun. After each undo its step has to see what it saw before."""
        for name in reversed(order or self.plan.order):
            task = self.plan.by_id[name]
            if name in self.begun and task.step.undoing is Undo.EXACT:
                on = context(self.model[task.host], name, self.folder, attempt=attempt, undoing=True)
                task.step.undo(on, self.begun[name])
                assert json.loads(json.dumps(task.step.observe(on).before)) == self.begun[name], name

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
