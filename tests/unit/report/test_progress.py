"""How far a run is, from its events."""

from __future__ import annotations

import pytest
from example_runs import SMALL, Make, plan, task
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.engine.errors import NotYet
from klusterkit.engine.events import Event
from klusterkit.engine.journal import Direction
from klusterkit.report.progress import Progress

WIDE = plan(*(task(f"t{number}", Make(what="x"), cost=1.0 + number) for number in range(6)))
ENDS = ("done", "unchanged", "failed", "asked", "retrying")


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def progress(of=SMALL, **keywords) -> tuple[Progress, Clock]:
    clock = Clock()
    return Progress(of, now=clock, **keywords), clock


def tell(of: Progress, clock: Clock, event: str, path: str, **fields: object) -> None:
    of.learn(Event.model_validate({"event": event, "task": f"m1/{path}", "at": clock(), **fields}))


def test_a_task_runs_from_its_start_to_its_end():
    here, clock = progress()
    tell(here, clock, "started", "preflight", title="wait for the host")
    assert [there.task for there in here.running.values()] == ["m1/preflight"]
    clock.time += 2
    tell(here, clock, "done", "preflight")
    assert not here.running
    assert here.took == 2
    assert (here.done, here.total) == (1, 3)


def test_a_task_that_is_tried_again_keeps_its_start_and_says_what_it_waits_for():
    here, clock = progress()
    tell(here, clock, "started", "preflight")
    clock.time += 5
    tell(here, clock, "retrying", "preflight", attempt=1, wait=2.0, error=NotYet("no answer").info())
    assert here.running["m1/preflight"].note == "attempt 2 in 2 s: no answer"
    assert here.running["m1/preflight"].since == 1000.0


def test_the_share_is_by_cost_and_not_by_number():
    here, clock = progress()
    tell(here, clock, "done", "preflight")
    tell(here, clock, "done", "etcd/unit")
    assert here.share < 0.1


def test_a_run_that_takes_twice_as_long_as_planned_is_expected_to_go_on_nearly_so():
    here, clock = progress(plan(task("a", Make(what="x"), cost=10), task("b", Make(what="y"), "m1/a", cost=10)))
    clock.time += 20
    tell(here, clock, "done", "a")
    assert here.eta == pytest.approx(17, abs=0.5)


def test_a_slow_beginning_does_not_make_the_estimate_leap():
    steps = [task(f"t{n}", Make(what="x"), *([f"m1/t{n - 1}"] if n else []), cost=1) for n in range(30)]
    here, clock = progress(plan(*steps))
    clock.time += 15
    tell(here, clock, "done", "t0")
    assert here.eta is not None
    assert 30 < here.eta < 100


BROAD = plan(
    *(task(f"b{number}", Make(what="x"), cost=1) for number in range(10)),
    task("last", Make(what="y"), *(f"m1/b{number}" for number in range(10)), cost=5),
)


def test_what_was_done_side_by_side_does_not_make_the_rest_look_shorter():
    here, clock = progress(BROAD)
    assert here.eta == 6
    clock.time += 3
    for number in range(10):
        tell(here, clock, "done", f"b{number}")
    assert here.eta == pytest.approx(9.5, abs=0.1), "two thirds of the work are done, but only a sixth of the way"


def test_a_task_that_overruns_makes_the_rest_longer_while_it_still_runs():
    here, clock = progress(plan(task("a", Make(what="x"), cost=10), task("b", Make(what="y"), "m1/a", cost=10)))
    tell(here, clock, "started", "a")
    clock.time += 5
    assert here.eta == 15
    clock.time += 14
    assert here.eta == pytest.approx(18, abs=0.5)
    clock.time += 19
    assert here.eta == pytest.approx(33, abs=0.5)


def test_before_anything_is_done_the_plan_is_believed():
    here, clock = progress(plan(task("a", Make(what="x"), cost=10), task("b", Make(what="y"), "m1/a", cost=10)))
    clock.time += 30
    assert here.eta == 20


def test_what_an_earlier_walk_has_done_counts_on_the_way_forward():
    here, _ = progress(settled={"m1/preflight", "m1/etcd/unit"})
    assert (here.done, here.total) == (2, 3)


def test_on_the_way_back_only_what_has_to_be_undone_counts():
    here, clock = progress(settled={"m1/etcd/start"}, direction=Direction.BACK)
    assert (here.done, here.total, here.eta) == (0, 2, None)
    tell(here, clock, "undone", "etcd/unit")
    tell(here, clock, "undone", "preflight")
    assert (here.done, here.total, here.share) == (2, 2, 1.0)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(("started", *ENDS)), st.floats(0, 100)), max_size=40))
def test_whatever_happens_the_figures_stay_in_their_bounds(happening: list[tuple[int, str, float]]):
    here, clock = progress(WIDE)
    for number, event, later in happening:
        clock.time += later
        tell(here, clock, event, f"t{number}")
        assert 0 <= here.share <= 1
        assert 0 <= here.done <= here.total
        assert here.eta is not None
        assert here.eta >= 0
