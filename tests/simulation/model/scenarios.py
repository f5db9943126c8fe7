"""Runs over the model world, with all that can come between: what hypothesis draws, and how it is lived through."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import note
from hypothesis import strategies as st

from klusterkit.engine.executor import LocalExecutor
from klusterkit.engine.journal import Direction, Journal, Record
from klusterkit.engine.plan import Plan, Retry, Task
from klusterkit.engine.step import Repeat, Undo
from tests.simulation.crash import Life, folder
from tests.simulation.episodes import DIRECTIONS, episodes
from tests.simulation.model import steps
from tests.simulation.model.host import FAULTS, LOOK_FAULTS, ModelHost
from tests.simulation.model.world import Cell, Outage, World
from tests.simulation.story import BACK, FORWARD, Episode, Story

PATIENCE, GRACE = 0.05, 0.05
"""Seconds that a step may take where some hang. One that is wrongly taken for hung must do no harm either."""
LONG = 60.0


@dataclass
class Scenario:
    """A plan, hosts as they are before, what goes wrong, and the processes that come and go."""

    plan: Plan
    initial: dict[Cell, str] = field(default_factory=dict)
    faults: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    outages: dict[str, Outage] = field(default_factory=dict)
    episodes: tuple[Episode, ...] = ()
    skips: bool = False
    """Whether the operator goes on without what is asked about."""
    goal: Direction = FORWARD
    at_once: int = 256


class ModelStory(Story):
    """A scenario, lived through."""

    def __init__(self, scenario: Scenario, folder: Path, *, healthy: bool = False) -> None:
        super().__init__(scenario.plan, folder, threading.RLock(), at_once=scenario.at_once)
        self.scenario = scenario
        self.grace = LONG if healthy else GRACE
        self.world = World(
            plan=scenario.plan,
            ledger=self.ledger,
            complain=self.complain,
            trace=self.trace,
            initial=scenario.initial,
            faults={} if healthy else {place: list(queue) for place, queue in scenario.faults.items()},
            outages={} if healthy else scenario.outages,
        )

    def executor(self, life: Life) -> LocalExecutor:
        """With the hosts of the model."""
        hosts = {name: ModelHost(self.world, life, name) for name in self.plan.hosts}
        return LocalExecutor(hosts.__getitem__, grace=self.grace)  # type: ignore[arg-type]

    def decide(self, journal: Journal) -> None:
        """The operator looks at the hosts and answers what was asked."""
        for task in journal.plan.tasks:
            if not journal[task.id].asked:
                continue
            if task.step.repeat is not Repeat.ONCE:
                self.complain(f"{task.id} is safe to repeat, and the operator was asked")
            choice = "adopt" if self.world.holds(task) else "retry"
            choice = "skip" if self.scenario.skips else choice
            if choice == "retry":
                self.world.allowed.add(task.id)
            journal.write(Record(record="decide", at=time.time(), task=task.id, choice=choice))

    def afterwards(self, episode: Episode) -> None:
        """Programs go on, or hosts lose their power."""
        self.world.meanwhile(episode.meanwhile, reboot=episode.reboot)

    def without_skipped(self, cells: Mapping[Cell, str]) -> dict[Cell, str]:
        """These cells without those of tasks that the run has gone on without: they may be anything."""
        skipped = [task for task in self.plan.tasks if self.ledger.standing[task.id] == "skipped"]
        left_out = {(task.host, task.step.cell) for task in skipped}  # type: ignore[attr-defined]
        return {cell: value for cell, value in cells.items() if cell not in left_out}

    def check(self) -> None:
        """Nothing was wrong on the way, and nothing is left running."""
        assert not self.wrong, self.wrong
        assert not [program for program in self.world.programs.values() if program.running]


def undisturbed(scenario: Scenario) -> dict[Cell, str]:
    """The cells after a run in which nothing goes wrong."""
    with folder() as place:
        story = ModelStory(scenario, place, healthy=True)
        report = story.live(Episode(FORWARD))
        assert report is not None
        assert report.outcome == "done", report.errors
        story.check()
        return story.world.cells


def prove(scenario: Scenario) -> None:
    """However it is disturbed, a resumed run ends where an undisturbed one ends, a rolled back one where it began."""
    wanted = undisturbed(scenario)
    with folder() as place:
        story = ModelStory(scenario, place)
        try:
            for episode in scenario.episodes:
                story.live(episode)
            reached = story.reach(scenario.goal)
            there = story.without_skipped(story.world.cells)
            assert there == (scenario.initial if reached is BACK else story.without_skipped(wanted))
            story.check()
        except BaseException:
            note("\n".join(story.trace[-150:]))
            raise


# What hypothesis draws ----------------------------------------------------------------------------------------------

HOSTS = ("h0", "h1")
BUDGETS = {"one": 1, "two": 2}
KINDS = ("put", "put", "build", "run", "run-once", "once", "gate", "box", "inside", "run-inside")


@st.composite
def plans(draw: st.DrawFn, *, final: bool = False, largest: int = 7) -> Plan:
    """Random DAGs of steps of every nature, over two hosts and two budgets."""
    tasks: list[Task] = []
    for number in range(draw(st.integers(1, largest))):
        kinds = KINDS if any(isinstance(task.step, steps.Box) for task in tasks) else KINDS[:-2]
        tasks.append(_task(draw, number, draw(st.sampled_from(kinds)), tasks))
    if final and draw(st.booleans()):
        needs = tuple(task.id for task in tasks)
        last = Task(id="final", host="h0", step=steps.Final(cell="final", value="final", stages=1), needs=needs)
        tasks.append(last.model_copy(update={"timeout": LONG, "retry": _RETRY}))
    return Plan(operation="test", lineage="l", serial=1, tasks=tuple(tasks), budgets=BUDGETS).checked()


_RETRY = Retry(attempts=2, wait=0.001, longest=0.001)


def _task(draw: st.DrawFn, number: int, kind: str, earlier: Sequence[Task]) -> Task:
    name = f"t{number}"
    needs = draw(st.sets(st.sampled_from([task.id for task in earlier]), max_size=3)) if earlier else set()
    host = draw(st.sampled_from(HOSTS))
    undone_by = None
    cell, stages = name, draw(st.integers(0, 2))
    if kind.endswith("inside"):
        box = draw(st.sampled_from([task for task in earlier if isinstance(task.step, steps.Box)]))
        host, undone_by, cell = box.host, box.id, f"{box.id}/{name}"
        needs |= {box.id}
    match kind:
        case "gate":
            step = steps.Gate(looks=draw(st.integers(0, 2)))
        case "put":
            step = steps.Put(cell=cell, value=f"new {name}")
        case _:
            made = {
                "build": steps.Build,
                "run": steps.Run,
                "run-once": steps.RunOnce,
                "once": steps.Once,
                "box": steps.Box,
                "inside": steps.Inside,
                "run-inside": steps.RunInside,
            }[kind]
            step = made(cell=cell, value=f"new {name}", stages=stages)
    return Task(
        id=name,
        host=host,
        step=step,
        needs=tuple(sorted(needs)),
        timeout=LONG,
        retry=_RETRY,
        budgets=tuple(sorted(draw(st.sets(st.sampled_from(sorted(BUDGETS)))))),
        cost=draw(st.sampled_from((0.0, 0.05, 1.0))),
        undone_by=undone_by,
    )


def _initial(draw: st.DrawFn, plan: Plan) -> dict[Cell, str]:
    """Some cells have an older value, some already the wanted one. Boxes and what is in them are made by the plan."""
    found: dict[Cell, str] = {}
    for task in plan.tasks:
        if task.step.undoing is Undo.EXACT and not isinstance(task.step, steps.Box):
            value = draw(st.sampled_from((None, None, "old", task.step.value)))  # type: ignore[attr-defined]
            if value is not None:
                found[task.host, task.step.cell] = value  # type: ignore[attr-defined]
    return found


def _faults(draw: st.DrawFn, plan: Plan) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for task in draw(st.lists(st.sampled_from([task.id for task in plan.tasks]), max_size=4, unique=True)):
        change = st.sampled_from((*FAULTS, *(f"after {fault}" for fault in FAULTS[1:])))
        for what in ("apply", "undo"):
            found[task, what] = draw(st.lists(change, max_size=3))
        found[task, "look"] = draw(st.lists(st.sampled_from(LOOK_FAULTS), max_size=4))
    return found


def _hurried(plan: Plan, faults: dict[tuple[str, str], list[str]]) -> Plan:
    """The plan with little patience for steps that will hang: a batch has that of its most patient."""
    hanging = {task for (task, _), queue in faults.items() if any("hang" in f or "late" in f for f in queue)}
    if any(isinstance(plan.by_id[task].step, steps.Put) for task in hanging):
        hanging |= {task.id for task in plan.tasks if isinstance(task.step, steps.Put)}
    tasks = [task.model_copy(update={"timeout": PATIENCE}) if task.id in hanging else task for task in plan.tasks]
    return plan.changed(tasks=tuple(tasks))


@st.composite
def scenarios(draw: st.DrawFn, *, faulty: bool, final: bool = False) -> Scenario:
    """A plan and the processes that walk it; with ``faulty`` steps that fail or hang, and hosts that go and come."""
    plan = draw(plans(final=final))
    faults = _faults(draw, plan) if faulty else {}
    outages: dict[str, Outage] = {}
    if faulty:
        outage = st.builds(Outage, at=st.integers(1, 60), calls=st.integers(1, 12), reboot=st.booleans())
        outages = draw(st.dictionaries(st.sampled_from(HOSTS), outage, max_size=2))
    return Scenario(
        plan=_hurried(plan, faults),
        initial=_initial(draw, plan),
        faults=faults,
        outages=outages,
        episodes=draw(episodes(4, moments=12 * len(plan.tasks), writes=12, events=12)),
        skips=draw(st.booleans()),
        goal=draw(DIRECTIONS),
        at_once=draw(st.sampled_from((1, 2, 256))),
    )
