"""A runner is never idle while a task could start, and never starts what may not: seen from outside, at every moment.

The steps do nothing; each act is held until the test lets it end, so that every moment of a run can be looked at.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.engine.events import Event
from klusterkit.engine.executor import Call, Outcome, Verb
from klusterkit.engine.journal import Direction, Journal
from klusterkit.engine.plan import Plan
from klusterkit.engine.runner import Report, Runner
from klusterkit.engine.step import Observation
from tests.simulation.model.scenarios import plans
from tests.simulation.real.worlds import CHANGING, COMING, LARGE, WORLDS
from tests.simulation.settings import CI
from tests.simulation.story import BACK, FORWARD
from tests.support.jsonexecutor import JsonExecutor
from tests.unit.engine.bench import MemoryStore

PATIENCE = 60.0
"""Seconds after which a runner that doesn't start what it could counts as idle."""


class Held:
    """An executor whose acts end when they are let go."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.acts: list[tuple[str, ...]] = []
        """Those that are held; each is of one task, or of the tasks of a batch."""

    def perform(self, calls: Sequence[Call]) -> list[Outcome]:
        """Hold an act; answer every look that there is something to do."""
        if calls[0].verb not in (Verb.APPLY, Verb.UNDO):
            return [Outcome(observation=Observation(satisfied=False))] * len(calls)
        act = tuple(call.task for call in calls)
        with self.changed:
            self.acts.append(act)
            self.changed.notify_all()
            self.changed.wait_for(lambda: act not in self.acts)
        return [Outcome()] * len(calls)

    def cancel(self) -> None:
        """Nothing here waits for anything but the test."""


class Watched:
    """A run of a plan that is there already, or isn't, with all of its acts held.

    Args:
        plan: what is walked.
        direction: which way.
    """

    def __init__(self, plan: Plan, direction: Direction) -> None:
        self.plan, self.forward = plan, direction is FORWARD
        self.held = Held()
        self._journal = Journal.open(MemoryStore(), plan, run="r1", who="somebody")
        self._reports: list[Report] = []
        if not self.forward:
            self._run_forward()
        self._runner = Runner(self._journal, JsonExecutor(self.held), self._heard)
        walk = self._runner.forward if self.forward else self._runner.back
        self._thread = threading.Thread(target=lambda: self._reports.append(walk()), daemon=True)

    def _run_forward(self) -> None:
        open_ = Held()
        open_.changed.wait_for = lambda _, timeout=None: True  # type: ignore[method-assign] - nothing is held
        Runner(self._journal, JsonExecutor(open_)).forward()

    def _heard(self, _: Event) -> None:
        with self.held.changed:
            self.held.changed.notify_all()

    # What may and must be -----------------------------------------------------------------------------------------

    @property
    def acting(self) -> set[str]:
        """The tasks whose acts are held."""
        return {task for act in self.held.acts for task in act}

    def _over(self, task: str) -> bool:
        state = self._journal[task]
        return state.to_undo if self.forward and state.status == "done" else not self.forward and not state.to_undo

    def _neighbours(self, task: str) -> Sequence[str]:
        there = self.plan.by_id[task]
        return (*there.needs, *there.after) if self.forward else self.plan.needed_by[task]

    def _used(self) -> Counter[str]:
        return Counter(budget for task in self.acting for budget in self.plan.by_id[task].budgets)

    def could_start(self) -> list[str]:
        """Tasks that nothing keeps from acting, and that don't act. What has no act of its own has to pass at once."""
        used = self._used()
        return [
            task.id
            for task in self.plan.tasks
            if task.id not in self.acting
            and not self._over(task.id)
            and all(self._over(other) for other in self._neighbours(task.id))
            and all(used[budget] < self.plan.budgets[budget] for budget in task.budgets)
        ]

    def check_at_rest(self) -> None:
        """Wait until nothing more can start; what acts then, may."""
        with self.held.changed:
            assert self.held.changed.wait_for(lambda: not self.could_start(), PATIENCE), f"idle: {self.could_start()}"
            for task in self.acting:
                assert all(self._over(other) for other in self._neighbours(task)), f"{task} acts too early"
            for budget, used in self._used().items():
                assert used <= self.plan.budgets[budget], f"{budget} is overdrawn: {self.acting}"

    def let_go(self, which: int) -> None:
        """Let one act end, and wait until that is known."""
        with self.held.changed:
            act = self.held.acts.pop(which % len(self.held.acts))
            self.held.changed.notify_all()
            known = self.held.changed.wait_for(lambda: all(self._over(task) for task in act), PATIENCE)
            assert known, f"{act} never ends"

    def walk(self, choices: Sequence[int]) -> Report:
        """To the end, letting acts end in the order that the choices say."""
        self._thread.start()
        turn = 0
        self.check_at_rest()
        while self.held.acts:
            self.let_go(choices[turn % len(choices)])
            turn += 1
            self.check_at_rest()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "it never comes to its end"
        (report,) = self._reports
        return report


orders = st.lists(st.integers(0, 100), min_size=1, max_size=20)


@CI
@given(plans(), st.sampled_from((FORWARD, BACK)), orders)
def test_whatever_could_start_has_started(plan: Plan, direction: Direction, order: list[int]) -> None:
    assert Watched(plan, direction).walk(order).outcome == ("done" if direction is FORWARD else "undone")


WAYS = [
    pytest.param(name, way, marks=[pytest.mark.sweep] if world in LARGE else [], id=f"{name}-{way}")
    for name, world in WORLDS.items()
    for way in (FORWARD, BACK)
    if way is FORWARD or name in (*COMING, *CHANGING, "a worker leaves")
]
"""There is no way back from the end of a plan with a point of no return."""


@pytest.mark.parametrize(("name", "direction"), WAYS)
def test_in_every_real_plan_too(name: str, direction: Direction) -> None:
    world = WORLDS[name]
    for order in ([0], [100], [3, 0, 7, 1]):
        assert Watched(world.plan, direction).walk(order).outcome == ("done" if direction is FORWARD else "undone")
