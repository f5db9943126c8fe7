"""What only the operator can know is asked, with its choices, and the answer is journaled and obeyed."""

from __future__ import annotations

import pytest

from klusterkit.engine.errors import CommandFailed, HostUnreachable
from klusterkit.engine.journal import Status
from klusterkit.engine.plan import Task
from klusterkit.engine.step import Context
from tests.unit.engine.bench import Bench, Cell, OnceCell, plan, task

LOST = HostUnreachable("gone", host="h")


def ask(bench: Bench, first: Task, *others: Task) -> None:
    """Bring a run to its question: the task left its host neither as before nor as wanted, and the answer was lost."""

    def leave_something(on: Context) -> None:
        bench.cells[on.task] = "something"
        raise LOST

    bench.on("apply", first.id, leave_something)
    report = bench.runner(bench.open(plan(first, *others))).forward()
    assert report.outcome == "asked"


def test_the_question_names_task_host_what_is_there_and_every_choice(bench: Bench) -> None:
    ask(bench, task("m1/a", host="m1"))
    error = bench.journal()["m1/a"].error
    assert error is not None
    assert error.exit_code == 7
    assert error.host == "m1"
    assert error.message == "m1/a: unit.cell: began, and nobody can tell how it ended"
    assert error.seen == 'before it was {"was": null}; now: it is something'
    for choice in ("cctl resume --adopt m1/a", "--retry m1/a", "--skip m1/a", "cctl rollback"):
        assert choice in (error.hint or "")
    assert bench.happened("m1/a")[-1] == "asked"


def test_while_it_is_asked_the_task_stays_unknown_and_others_go_on(bench: Bench) -> None:
    ask(bench, task("a"), task("after", "a"), task("other"))
    states = bench.journal().states
    assert states["a"].status is Status.UNKNOWN
    assert states["a"].asked
    assert states["after"].status is Status.PENDING
    assert states["other"].status is Status.DONE


def test_without_an_answer_it_is_asked_again(bench: Bench) -> None:
    ask(bench, task("a"))
    assert bench.resumed().forward().outcome == "asked"
    assert bench.done("apply") == ["a"]


def test_a_walk_that_cannot_even_look_has_failed_and_does_not_wait_for_an_answer(bench: Bench) -> None:
    ask(bench, task("a"))
    bench.on("observe", "a", *[LOST] * 5)
    report = bench.resumed().forward()
    assert (report.outcome, report.errors["a"].type) == ("failed", "HostUnreachable")
    assert bench.resumed().forward().outcome == "asked"


def test_a_way_back_that_gets_stuck_waits_for_no_answer_of_the_way_there(bench: Bench) -> None:
    ask(bench, task("a"))
    bench.on("undo", "a", CommandFailed("rc 1"))
    assert bench.resumed().back().outcome == "failed"
    assert not bench.journal()["a"].asked
    assert bench.resumed().back().outcome == "undone"


def test_if_the_host_has_come_right_meanwhile_nobody_needs_to_answer(bench: Bench) -> None:
    ask(bench, task("a"))
    bench.cells["a"] = "new"
    assert bench.resumed().forward().outcome == "done"


def test_adopted_it_counts_as_done_and_can_still_be_undone(bench: Bench) -> None:
    ask(bench, task("a"), task("after", "a"))
    bench.decide("a", "adopt")
    assert bench.resumed().forward().outcome == "done"
    assert bench.done("apply") == ["a", "after"]
    assert bench.cells["a"] == "something"
    assert bench.resumed().back().outcome == "undone"
    assert bench.cells == {}


@pytest.mark.parametrize("step", [Cell(), OnceCell()])
def test_retried_it_is_done_again_over_whatever_is_there(bench: Bench, step: Cell) -> None:
    ask(bench, task("a", step=step))
    bench.decide("a", "retry")
    assert bench.resumed().forward().outcome == "done"
    assert bench.done("apply") == ["a", "a"]
    assert bench.cells == {"a": "new"}


def test_leave_to_retry_is_not_leave_to_retry_for_ever(bench: Bench) -> None:
    ask(bench, task("a", step=OnceCell()))

    def leave_something_again(on: Context) -> None:
        bench.cells[on.task] = "something else"
        raise LOST

    bench.on("apply", "a", leave_something_again)
    bench.decide("a", "retry")
    assert bench.resumed().forward().outcome == "asked"
    assert bench.done("apply") == ["a", "a"]


def test_retried_the_program_that_may_still_run_is_ended_first(bench: Bench) -> None:
    ask(bench, task("a"))
    bench.jobs["r.0/a/1"] = "running"
    bench.decide("a", "retry")
    bench.resumed().forward()
    assert bench.stopped == ["r.0/a/1"]


def test_skipped_it_lets_the_others_go_on_and_can_still_be_undone(bench: Bench) -> None:
    ask(bench, task("a"), task("after", "a"))
    bench.decide("a", "skip")
    report = bench.resumed().forward()
    assert report.outcome == "done"
    assert report.states["a"].status is Status.SKIPPED
    assert bench.cells["after"] == "new"
    assert bench.resumed().back().outcome == "undone"
    assert bench.cells == {}


def test_instead_of_an_answer_the_run_can_be_rolled_back(bench: Bench) -> None:
    ask(bench, task("a"), task("other"))
    assert bench.resumed().back().outcome == "undone"
    assert bench.cells == {}


def test_a_rollback_that_gets_stuck_at_it_is_failed_and_not_asked(bench: Bench) -> None:
    ask(bench, task("a"))
    bench.on("undo", "a", ValueError("stuck"))
    assert bench.resumed().back().outcome == "failed"


# When nobody has to be asked ----------------------------------------------------------------------------------------


def lose(bench: Bench, found: str | None, step: Cell) -> str:
    """What comes of a task whose answer was lost, and that is then found like this."""

    def act(on: Context) -> None:
        if found is not None:
            bench.cells[on.task] = found
        raise LOST

    bench.on("apply", "a", act)
    return bench.runner(bench.open(plan(task("a", step=step)))).forward().outcome


@pytest.mark.parametrize(
    ("found", "step", "outcome", "applied"),
    [
        ("new", Cell(), "done", 1),
        (None, Cell(), "done", 2),
        ("half done", Cell(), "done", 2),
        ("something", Cell(), "asked", 1),
        ("new", OnceCell(), "done", 1),
        (None, OnceCell(), "done", 2),
        ("half done", OnceCell(), "asked", 1),
        ("something", OnceCell(), "asked", 1),
    ],
)
def test_an_unknown_end_is_decided_by_a_look_where_that_can_tell(
    bench: Bench, found: str | None, step: Cell, outcome: str, applied: int
) -> None:
    assert lose(bench, found, step) == outcome
    assert len(bench.done("apply")) == applied


def test_once_with_a_program_that_has_vanished_the_operator_is_asked_though_nothing_can_be_seen(bench: Bench) -> None:
    """It may have acted where no look reaches."""

    def start_and_lose(on: Context) -> None:
        bench.jobs[on.key] = "vanished"
        raise LOST

    bench.on("apply", "a", start_and_lose)
    assert bench.runner(bench.open(plan(task("a", step=OnceCell())))).forward().outcome == "asked"


def test_a_program_that_has_vanished_is_started_again_where_that_is_safe(bench: Bench) -> None:
    def start_and_lose(on: Context) -> None:
        bench.jobs[on.key] = "vanished"
        bench.cells[on.task] = "something"
        raise LOST

    bench.on("apply", "a", start_and_lose)
    assert bench.runner(bench.open(plan(task("a")))).forward().outcome == "done"
    assert bench.done("apply") == ["a", "a"]
