"""Every walk over every plan: needs and budgets hold at each moment, nothing ready waits, nothing is walked twice."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.engine.journal import Direction
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.schedule import BATCH, Schedule
from klusterkit.engine.step import Step
from tests.unit.engine.bench import Cell, Short, plan, task

FORWARD, BACK = Direction.FORWARD, Direction.BACK
directions = st.sampled_from((FORWARD, BACK))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    budgets = draw(st.dictionaries(st.sampled_from("xyz"), st.integers(1, 3), max_size=3))
    tasks: list[Task] = []
    for number in range(draw(st.integers(1, 14))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=4)) if number else set()
        after = draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else set()
        step: Step = draw(st.sampled_from((Cell(), Short(), Short())))
        tasks.append(
            task(
                f"t{number}",
                *(f"t{need}" for need in sorted(needs)),
                after=tuple(f"t{other}" for other in sorted(after)),
                step=step,
                host=draw(st.sampled_from(("m1", "m2"))),
                budgets=tuple(draw(st.sets(st.sampled_from(sorted(budgets))))) if budgets else (),
                cost=draw(st.sampled_from((0.0, 1.0, 5.0))),
            )
        )
    return plan(*draw(st.permutations(tasks)), budgets=budgets)


class Walk:
    """Starts what a schedule hands out, and checks it."""

    def __init__(
        self, made: Plan, direction: Direction, settled: frozenset[str] = frozenset(), at_once: int = 256
    ) -> None:
        self.plan, self.settled, self.at_once = made, settled, at_once
        self.forward = direction is FORWARD
        graph = made.graph if self.forward else made.graph.reverse()
        self.needs = {one: set(graph.predecessors(one)) for one in graph}
        self.after = {one.id: set(one.after) if self.forward else set[str]() for one in made.tasks}
        self.schedule = Schedule(made, direction, settled, at_once)
        self.running: list[str] = []
        self.succeeded: set[str] = set()
        self.failed: set[str] = set()
        self.batches: list[list[Task]] = []
        self.started: Counter[str] = Counter()

    def passed(self, name: str) -> bool:
        """Whether nothing of what this task and those before it stand for is left to do."""
        return name in self.succeeded or (name in self.settled and self.may_start(name))

    def may_start(self, name: str) -> bool:
        """Whether all is done that it needs, and over what it comes after."""
        return all(map(self.passed, self.needs[name])) and all(map(self.over, self.after[name]))

    def over(self, name: str) -> bool:
        """Whether nothing more will come of this task in this walk."""
        return self.passed(name) or self.blocked(name)

    def blocked(self, name: str) -> bool:
        return name in self.failed or any(map(self.blocked, self.needs[name]))

    def start(self) -> None:
        batches = self.schedule.start()
        self.batches += batches
        for one in (one for batch in batches for one in batch):
            self.started[one.id] += 1
            self.running.append(one.id)
            assert one.id not in self.settled
            assert self.may_start(one.id)
        assert self.schedule.running == set(self.running)
        self.check_budgets()
        self.check_nothing_ready_waits()

    def check_budgets(self) -> None:
        assert len(self.running) <= self.at_once
        for budget, used in self.used().items():
            assert used <= self.plan.budgets[budget]

    def used(self) -> Counter[str]:
        return Counter(budget for name in self.running for budget in self.plan.by_id[name].budgets)

    def check_nothing_ready_waits(self) -> None:
        if len(self.running) == self.at_once:
            return
        used = self.used()
        for one in self.plan.tasks:
            over = self.started[one.id] or one.id in self.settled
            ready = not over and not self.blocked(one.id) and self.may_start(one.id)
            fits = all(used[budget] < self.plan.budgets[budget] for budget in one.budgets)
            assert not (ready and fits), f"{one.id} could have started"

    def finish(self, which: int, *, succeeded: bool) -> None:
        name = self.running.pop(which % len(self.running))
        (self.succeeded if succeeded else self.failed).add(name)
        self.schedule.finish(name, succeeded=succeeded)


@given(plans(), directions, st.data(), st.sampled_from((1, 2, 3, 256)))
def test_any_order_of_ends_walks_everything_once(made: Plan, way: Direction, data: st.DataObject, at_once: int) -> None:
    walk = Walk(made, way, at_once=at_once)
    walk.start()
    while walk.running:
        walk.finish(data.draw(st.integers(0, 20)), succeeded=True)
        if data.draw(st.booleans()) or not walk.running:  # several may end before the runner looks again
            walk.start()
    assert walk.started == Counter(made.by_id.keys())
    assert walk.schedule.left == 0


@given(plans(), directions, st.data())
def test_what_stands_on_a_failure_is_never_started_and_all_else_is(
    made: Plan, way: Direction, data: st.DataObject
) -> None:
    settled = frozenset(data.draw(st.sets(st.sampled_from(sorted(made.by_id)))))
    walk = Walk(made, way, settled)
    walk.start()
    while walk.running:
        walk.finish(data.draw(st.integers(0, 20)), succeeded=data.draw(st.integers(0, 3)) > 0)
        walk.start()

    startable = {name for name in made.by_id if not any(map(walk.blocked, walk.needs[name]))}
    assert startable - settled == set(walk.started)
    assert walk.schedule.left == len(made.tasks) - len(settled) - len(walk.succeeded)


@given(plans(), directions, st.data())
def test_settled_tasks_are_passed_over_and_still_keep_the_order(
    made: Plan, way: Direction, data: st.DataObject
) -> None:
    settled = frozenset(data.draw(st.sets(st.sampled_from(sorted(made.by_id)))))
    walk = Walk(made, way, settled)
    walk.start()
    while walk.running:
        walk.finish(data.draw(st.integers(0, 20)), succeeded=True)
        walk.start()
    assert walk.started == Counter(set(made.by_id) - settled)
    assert walk.schedule.left == 0


def test_what_comes_after_a_failure_without_needing_it_starts_when_that_is_known() -> None:
    made = plan(task("a"), task("b", "a"), task("c", after=("b",)), task("d", "b"))
    schedule = Schedule(made, FORWARD)
    schedule.start()
    assert schedule.start() == []
    schedule.finish("a", succeeded=False)
    assert [batch[0].id for batch in schedule.start()] == ["c"]


@given(plans(), st.data())
def test_a_batch_is_short_steps_of_one_kind_on_one_host(made: Plan, data: st.DataObject) -> None:
    walk = Walk(made, FORWARD)
    walk.start()
    while walk.running:
        walk.finish(data.draw(st.integers(0, 20)), succeeded=True)
        walk.start()
    for batch in walk.batches:
        assert len({(one.host, one.step.kind) for one in batch}) == 1
        assert len(batch) == 1 or all(one.step.batch for one in batch)


def test_a_batch_has_no_more_than_it_may() -> None:
    schedule = Schedule(plan(*(task(f"t{number}", step=Short()) for number in range(2 * BATCH + 3))), FORWARD)
    assert [len(batch) for batch in schedule.start()] == [BATCH, BATCH, 3]


def test_the_way_back_has_no_batches() -> None:
    schedule = Schedule(plan(task("a", step=Short()), task("b", step=Short())), BACK)
    assert [len(batch) for batch in schedule.start()] == [1, 1]


def test_batches_keep_to_their_budgets() -> None:
    made = plan(*(task(f"t{number}", step=Short(), budgets=("x",)) for number in range(5)), budgets={"x": 2})
    assert [len(batch) for batch in Schedule(made, FORWARD).start()] == [2]


def test_the_longest_way_to_the_end_starts_first() -> None:
    made = plan(task("short"), task("long"), task("after", "long", cost=100.0))
    assert [batch[0].id for batch in Schedule(made, FORWARD, at_once=1).start()] == ["long"]


def test_equally_urgent_tasks_start_in_the_order_of_the_plan() -> None:
    made = plan(*(task(name) for name in "hgfedcba"))
    assert [batch[0].id for batch in Schedule(made, FORWARD).start()] == list("hgfedcba")


def test_the_units_of_what_hung_stay_taken() -> None:
    made = plan(*(task(name, budgets=("x",)) for name in "abcd"), budgets={"x": 2})
    schedule = Schedule(made, FORWARD)
    schedule.start()
    schedule.finish("a", succeeded=False, hung=True)
    assert schedule.start() == []
    schedule.finish("b", succeeded=True)
    assert [batch[0].id for batch in schedule.start()] == ["c"]
    assert schedule.running == {"c"}


def test_a_full_budget_holds_up_only_those_who_need_it() -> None:
    tasks = [task("a", budgets=("x",)), task("b", budgets=("x", "y")), task("c", budgets=("y",)), task("d")]
    schedule = Schedule(plan(*tasks, budgets={"x": 1, "y": 1}), FORWARD)
    assert [batch[0].id for batch in schedule.start()] == ["a", "c", "d"]
    schedule.finish("c", succeeded=True)
    assert schedule.start() == []
    schedule.finish("a", succeeded=True)
    assert [batch[0].id for batch in schedule.start()] == ["b"]


@pytest.mark.parametrize("direction", [FORWARD, BACK])
def test_finding_the_next_task_takes_as_long_however_many_wait_for_a_budget(direction: Direction) -> None:
    """Counted in how often a budget is looked up, not in seconds."""

    class Counted(dict[str, int]):
        looks = 0

        def __getitem__(self, key: str) -> int:
            Counted.looks += 1
            return super().__getitem__(key)

    schedule = Schedule(plan(*(task(f"t{n}", budgets=("x",)) for n in range(2000)), budgets={"x": 2}), direction)
    schedule._ready._room = Counted(schedule._ready._room)
    running = [batch[0].id for batch in schedule.start()]
    while running:
        schedule.finish(running.pop(0), succeeded=True)
        running += [batch[0].id for batch in schedule.start()]
    assert Counted.looks < 10 * 2000
