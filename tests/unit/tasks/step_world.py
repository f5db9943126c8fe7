"""A simulated machine with what generic steps touch, and the two stories that every step has to survive."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from klusterkit.engine.host import HOME
from klusterkit.engine.step import Context, Observation, Step
from klusterkit.hosts.simulated import Machine, Question, SimulatedCrash, SimulatedHost
from tests.support import kernel
from tests.support.posix import PROGRAMS


def new_host() -> SimulatedHost:
    """A machine with the programs that steps call, and their model of the kernel in /proc and /sys."""
    host = SimulatedHost("m1", question=Question(kernel_features=("overlay", "br_netfilter")))
    for name, act in PROGRAMS.items():
        host.program(name, act)
    kernel.boot(host.machine, settings={})
    host.machine.tree.makedirs("/etc/sysctl.d")
    return host


def seen(host: SimulatedHost, anew: Sequence[str] = ()) -> dict[str, Any]:
    """All that there is to a machine but KlusterKit's own folder: files, and units with their states in memory.

    Of the files in ``anew`` the content is left out.
    """
    machine = host.machine
    unknown = {"size": 0, "sha256": ""}
    return {
        "files": {
            entry.path: entry.model_copy(update=unknown) if entry.path in anew else entry for entry in machine.listing()
        },
        "active": machine.systemd.active,
        "units": {name: _unit(machine, name) for name in UNITS},
    }


def _unit(machine: Machine, name: str) -> str:
    return machine.systemd.systemctl(["show", name]).text.split("InvocationID")[0]


TASK = "m1/task"
UNITS = ("demo.service", "other.service")


class World:
    """One machine, and one task on it.

    Args:
        secrets: of the state file.
        artifacts: on the control machine, by their SHA-256.
    """

    def __init__(self, secrets: Mapping[str, bytes] | None = None, artifacts: Mapping[str, Path] | None = None) -> None:
        self.host = new_host()
        self._secrets = dict(secrets or {})
        self._artifacts = dict(artifacts or {})

    @property
    def tree(self) -> Any:
        return self.host.machine.tree

    def on(self, task: str = TASK, *, run: str = "r1.1", attempt: int = 1, undoing: bool = False) -> Context:
        return Context(
            host=self.host,
            run=run,
            task=task,
            attempt=attempt,
            undoing=undoing,
            secret=self._secrets.__getitem__,
            artifact=self._artifacts.__getitem__,
        )

    def observe(self, step: Step) -> Observation:
        return step.observe(self.on())

    def __repr__(self) -> str:
        return f"World({self.host.name})"  # what a test prints when it fails holds no secrets

    def do(self, step: Step, *, run: str = "r1.1") -> dict[str, Any]:
        """Apply as a run does, and return what undo will be given."""
        on = self.on(_task_of(step), run=run)
        before = travelled(step.observe(on).before)
        step.apply_many([step], [on], [before])
        return before

    def undo(self, step: Step, before: Mapping[str, Any], *, run: str = "r1.1") -> None:
        """As a run does it: what was there before has to be what is there now."""
        on = self.on(_task_of(step), run=run, undoing=True)
        step.undo(on, before)
        assert travelled(step.observe(on).before) == before


def _task_of(step: Step) -> str:
    """One of its own, as in a plan."""
    return f"m1/{step.kind}/{hashlib.sha256(json.dumps(step.spec()).encode()).hexdigest()[:8]}"


def travelled(before: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from the journal."""
    return json.loads(json.dumps(before, sort_keys=True))


MOMENTS = ("before", "middle", "after")


def tell_every_story(
    step: Step,
    make: Callable[[], World],
    work: Callable[[World], None] = lambda _: None,
    anew: Sequence[str] = (),
) -> int:
    """Cut apply and undo at every changing call, at every moment: each can be finished, and taken back.

    And never would anybody have to be asked what became of it.

    Args:
        step: what is tried.
        make: a machine as it is before, always the same.
        work: what programs do on the machine when the step is done.
        anew: files whose content is another each time they are made.

    Returns how many cuts there were: a step without any would prove nothing.
    """
    whole = make()
    initial = seen(whole.host)
    assert initial == seen(make().host), "the machine is the same each time"
    before = travelled(whole.observe(step).before)
    changes = _changes(whole, lambda: step.apply_many([step], [whole.on()], [before]))
    applied = seen(whole.host, anew)
    assert whole.observe(step).satisfied
    work(whole)
    undone = _changes(whole, lambda: step.undo(whole.on(undoing=True), before))
    assert seen(whole.host) == initial
    assert travelled(whole.observe(step).before) == before
    for moment in MOMENTS:
        for change in range(1, changes + 1):
            _cut_and_finish(step, make(), moment, change, applied, anew)
            _cut_and_take_back(step, make(), moment, change, initial)
        for change in range(1, undone + 1):
            _cut_undo(step, make, moment, change, work)
    return len(MOMENTS) * (changes + undone)


def _changes(world: World, act: Callable[[], None]) -> int:
    already = world.host.faults.mutations
    act()
    return world.host.faults.mutations - already


def _cut(world: World, moment: Any, change: int, act: Callable[[], None]) -> None:
    world.host.faults.crash(moment, change)
    with pytest.raises(SimulatedCrash):
        act()


def _cut_apply(step: Step, world: World, moment: Any, change: int) -> dict[str, Any]:
    before = travelled(world.observe(step).before)
    on = world.on()
    _cut(world, moment, change, lambda: step.apply_many([step], [on], [before]))
    _assert_decided(step, world, before, f"cut {moment} change {change}")
    return before


def _assert_decided(step: Step, world: World, before: Mapping[str, Any], where: str) -> None:
    """As a run decides what became of a step that began and hasn't ended."""
    looked = world.observe(step)
    decided = looked.satisfied or looked.partial or travelled(looked.before) == before
    recorded = world.host.job_state(world.on().key).status != "none"
    assert decided or recorded, f"{where}: nobody could tell what became of it: {looked}"


def _cut_and_finish(step: Step, world: World, moment: Any, change: int, applied: Any, anew: Sequence[str]) -> None:
    initial = seen(world.host)
    before = _cut_apply(step, world, moment, change)
    step.apply_many([step], [world.on(attempt=2)], [before])
    assert seen(world.host, anew) == applied, f"cut {moment} change {change}, then applied again"
    _take_back(step, world, before)
    assert seen(world.host) == initial


def _cut_and_take_back(step: Step, world: World, moment: Any, change: int, initial: Any) -> None:
    before = _cut_apply(step, world, moment, change)
    _take_back(step, world, before)
    assert seen(world.host) == initial, f"cut {moment} change {change}, then taken back"


def _cut_undo(step: Step, make: Callable[[], World], moment: Any, change: int, work: Callable[[World], None]) -> None:
    """The undo that is cut is finished, or turned from: then the step is applied again, and taken back."""
    for turned in (False, True):
        world = make()
        initial = seen(world.host)
        before = travelled(world.observe(step).before)
        step.apply_many([step], [world.on()], [before])
        work(world)
        _cut(world, moment, change, lambda: step.undo(world.on(undoing=True), before))  # noqa: B023 - called at once
        if turned:
            _assert_decided(step, world, before, f"undo was cut {moment} change {change}")
            if not world.observe(step).satisfied:
                step.apply_many([step], [world.on(attempt=2)], [before])
        _take_back(step, world, before, attempt=2)
        assert seen(world.host) == initial, f"undo was cut {moment} change {change}"


def _take_back(step: Step, world: World, before: Mapping[str, Any], attempt: int = 1) -> None:
    step.undo(world.on(attempt=attempt, undoing=True), before)
    assert travelled(world.observe(step).before) == before


def notes(world: World) -> list[str]:
    """Files that are left in KlusterKit's folder."""
    return [entry.path for entry in world.tree.walk() if entry.path.startswith(f"{HOME}/") and entry.type == "file"]
