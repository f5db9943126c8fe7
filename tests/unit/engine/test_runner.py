"""A run does everything once, in an order that the plan allows, and journals it as the four rules say."""

from __future__ import annotations

import threading
import time

import pytest

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily, HostUnreachable, NotYet
from klusterkit.engine.journal import Status
from klusterkit.engine.plan import Retry
from klusterkit.engine.step import Context
from tests.unit.engine.bench import Bench, Cell, Gate, LongCell, OnceCell, Short, Tuples, plan, task

TEMPORARY = CommandFailedTemporarily("busy", host="h")
PERMANENT = CommandFailed("broken", host="h", seen="rc 1", hint="mend it")
LOST = HostUnreachable("gone", host="h")


def test_everything_is_done_after_what_it_needs(bench: Bench) -> None:
    report = bench.runner(bench.open(plan(task("c", "b"), task("b", "a"), task("a")))).forward()
    assert report.outcome == "done"
    assert report.errors == {}
    assert bench.done("apply") == ["a", "b", "c"]
    assert bench.cells == {"a": "new", "b": "new", "c": "new"}
    assert {state.status for state in report.states.values()} == {Status.DONE}


def test_begin_is_durable_before_a_step_acts_and_end_before_its_dependant_begins(bench: Bench) -> None:
    durable: dict[str, list[str]] = {}
    for name in "ab":
        bench.on("apply", name, lambda on: durable.setdefault(on.task, bench.store.words()))
    bench.runner(bench.open(plan(task("a"), task("b", "a")))).forward()
    assert durable == {
        "a": ["run", "begin a"],
        "b": ["run", "begin a", "end a", "begin b"],
    }


def test_what_is_there_already_is_not_touched_and_has_nothing_to_undo(bench: Bench) -> None:
    bench.cells["a"] = "new"
    report = bench.runner(bench.open(plan(task("a")))).forward()
    assert report.outcome == "done"
    assert bench.done("apply") == []
    assert bench.store.words() == ["run", "end a"]
    assert not report.states["a"].to_undo
    assert bench.happened("a") == ["started", "unchanged"]


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("names", ["a", "ab"])
def test_the_look_at_what_is_there_is_part_of_what_a_task_takes(bench: Bench, names: str, there: bool) -> None:
    looked: dict[str, float] = {}
    for name in names:
        bench.on("observe", name, lambda on: looked.setdefault(on.task, time.time()))
        bench.cells |= {name: "new"} if there else {}

    states = bench.runner(bench.open(plan(*(task(name, step=Short()) for name in names)))).forward().states

    assert looked.keys() == {*names}
    assert all(0 < states[name].began <= moment <= states[name].ended for name, moment in looked.items())


def test_an_empty_plan_is_done(bench: Bench) -> None:
    assert bench.runner(bench.open(plan())).forward().outcome == "done"


def test_independent_tasks_run_at_the_same_time(bench: Bench) -> None:
    together = threading.Barrier(3)
    for name in "abc":
        bench.on("apply", name, lambda _: together.wait(30))
    assert bench.runner(bench.open(plan(*map(task, "abc")))).forward().outcome == "done"


def test_no_more_tasks_run_at_once_than_allowed(bench: Bench) -> None:
    running: set[str] = set()
    most = 0

    def act(on: Context) -> None:
        nonlocal most
        running.add(on.task)
        most = max(most, len(running))
        running.discard(on.task)

    for number in range(6):
        bench.on("apply", f"t{number}", act)
    bench.runner(bench.open(plan(*(task(f"t{number}") for number in range(6)))), at_once=1).forward()
    assert most == 1


# Many small steps together ------------------------------------------------------------------------------------------


def test_short_steps_share_their_records(bench: Bench) -> None:
    bench.cells["b"] = "new"
    bench.runner(bench.open(plan(*(task(name, step=Short()) for name in "abc")))).forward()
    assert bench.store.words() == ["run", "end b", "begin a", "begin c", "end a", "end c"]
    assert bench.happened("b") == ["started", "unchanged"]
    assert bench.happened("a") == ["started", "done"]


def test_one_bad_step_of_a_batch_fails_alone(bench: Bench) -> None:
    bench.on("apply", "b", *[PERMANENT] * 9)
    report = bench.runner(bench.open(plan(*(task(name, step=Short()) for name in "abc")))).forward()
    assert report.outcome == "failed"
    assert set(report.errors) == {"b"}
    assert {name: state.status for name, state in report.states.items()} == {
        "a": Status.DONE,
        "b": Status.FAILED,
        "c": Status.DONE,
    }


def test_a_batch_whose_host_cannot_be_looked_at_has_not_begun(bench: Bench) -> None:
    bench.on("observe", "a", *[LOST] * 9)
    bench.on("observe", "b", *[LOST] * 9)
    report = bench.runner(bench.open(plan(*(task(name, step=Short()) for name in "ab")))).forward()
    assert not [words for words in bench.store.words() if words.startswith("begin")]
    assert set(report.errors) == {"a", "b"}


def test_what_needs_a_part_of_a_batch_does_not_wait_for_the_retries_of_another(bench: Bench) -> None:
    """``a`` is tried again until ``after-b`` has run: with the batch as a barrier, it never would."""
    ran = threading.Event()
    bench.on("apply", "after-b", lambda _: ran.set())

    def fail_until_the_other_ran(_: Context) -> None:
        if not ran.is_set():
            raise TEMPORARY

    def wait_for_the_other(_: Context) -> None:
        assert ran.wait(30), "after-b has waited for a"

    bench.on("apply", "a", fail_until_the_other_ran, wait_for_the_other)
    tasks = [task("a", step=Short()), task("b", step=Short()), task("after-b", "b")]
    assert bench.runner(bench.open(plan(*tasks))).forward().outcome == "done"


def test_tasks_of_a_batch_that_fails_are_tried_side_by_side(bench: Bench) -> None:
    together = threading.Barrier(2)
    bench.on("apply", "a", TEMPORARY, lambda _: together.wait(30))
    bench.on("apply", "b", lambda _: together.wait(30))  # the batch ended at a, before its turn
    tasks = [task("a", step=Short()), task("b", step=Short())]
    assert bench.runner(bench.open(plan(*tasks))).forward().outcome == "done"


# Errors that pass and errors that don't -----------------------------------------------------------------------------


def test_a_temporary_error_is_tried_again(bench: Bench) -> None:
    bench.on("apply", "a", TEMPORARY, TEMPORARY)
    report = bench.runner(bench.open(plan(task("a")))).forward()
    assert report.outcome == "done"
    assert bench.store.words() == ["run", "begin a", "fail a", "begin a", "fail a", "begin a", "end a"]
    assert bench.happened("a") == ["started", "retrying", "retrying", "done"]
    assert report.states["a"].attempt == 3


def test_a_task_is_tried_no_more_often_than_its_policy_says(bench: Bench) -> None:
    bench.on("apply", "a", *[TEMPORARY] * 9)
    report = bench.runner(bench.open(plan(task("a", retry=Retry(attempts=2, wait=0.001))))).forward()
    assert bench.done("apply") == ["a", "a"]
    assert report.outcome == "failed"
    assert report.errors["a"].message == "busy"


def test_waits_double_up_to_the_longest(bench: Bench) -> None:
    bench.on("apply", "a", *[TEMPORARY] * 5)
    retry = Retry(attempts=6, wait=0.001, longest=0.005)
    bench.runner(bench.open(plan(task("a", retry=retry)))).forward()
    waits = [event.wait for event in bench.events if event.event == "retrying"]
    assert waits == [0.001, 0.002, 0.004, 0.005, 0.005]


def test_a_permanent_error_is_not_tried_again(bench: Bench) -> None:
    bench.on("apply", "a", PERMANENT)
    report = bench.runner(bench.open(plan(task("a")))).forward()
    assert bench.done("apply") == ["a"]
    assert report.states["a"].status is Status.FAILED
    assert report.errors["a"] == PERMANENT.info()


def test_what_needs_a_failed_task_does_not_run_and_is_no_error_of_its_own(bench: Bench) -> None:
    bench.on("apply", "a", PERMANENT)
    report = bench.runner(bench.open(plan(task("a"), task("b", "a"), task("c", "b"), task("other")))).forward()
    assert set(report.errors) == {"a"}
    assert bench.done("apply").count("other") == 1
    assert "b" not in bench.done("observe")
    assert report.states["c"].status is Status.PENDING


def test_a_step_that_ran_and_cannot_be_seen_to_have_worked_is_not_done(bench: Bench) -> None:
    bench.on("apply", "a", *[lambda on: bench.cells.update({on.task: "other"})] * 9)

    class Liar(Cell):
        kind = "unit.liar"

        def apply(self, on: Context, before: object) -> None:
            bench.script("apply", on)

    report = bench.runner(bench.open(plan(task("a", step=Liar())))).forward()
    assert report.outcome == "failed"
    assert report.errors["a"].type == "VerificationFailed"
    assert report.errors["a"].seen == "it is other"


def test_what_failed_is_tried_again_when_the_run_is_resumed(bench: Bench) -> None:
    bench.on("apply", "a", PERMANENT)
    bench.runner(bench.open(plan(task("a"), task("b", "a")))).forward()
    assert bench.resumed().forward().outcome == "done"


def test_a_look_that_fails_before_anything_began_leaves_nothing_to_undo(bench: Bench) -> None:
    bench.on("observe", "a", PERMANENT)
    report = bench.runner(bench.open(plan(task("a")))).forward()
    assert report.states["a"].status is Status.FAILED
    assert bench.store.words() == ["run", "fail a"]
    assert bench.resumed().back().outcome == "undone"
    assert bench.done("undo") == []


def test_a_bug_in_a_step_ends_its_task_and_not_the_run(bench: Bench) -> None:
    bench.on("apply", "a", ZeroDivisionError("oops"))
    report = bench.runner(bench.open(plan(task("a"), task("b")))).forward()
    assert report.errors["a"].type == "StepCrashed"
    assert report.states["b"].status is Status.DONE
    assert "ZeroDivisionError: oops" in bench.crashes[0]


# Hosts that come and go ---------------------------------------------------------------------------------------------


def test_a_lost_answer_leaves_the_task_unknown_and_the_next_attempt_finds_out(bench: Bench) -> None:
    def act_and_lose_the_answer(on: Context) -> None:
        bench.cells[on.task] = "new"
        raise LOST

    bench.on("apply", "a", act_and_lose_the_answer)
    assert bench.runner(bench.open(plan(task("a")))).forward().outcome == "done"
    assert bench.done("apply") == ["a"], "it was seen to be done"
    assert bench.store.words() == ["run", "begin a", "end a"]
    assert bench.store.records[-1]["source"] == "look"


def test_a_host_that_stays_away_leaves_its_task_unknown_while_others_go_on(bench: Bench) -> None:
    bench.on("apply", "a", LOST)
    bench.on("observe", "a", None, *[LOST] * 9)
    report = bench.runner(bench.open(plan(task("a", host="h1"), task("b", host="h2"), task("c", "a")))).forward()
    assert report.states["a"].status is Status.UNKNOWN
    assert report.states["b"].status is Status.DONE
    assert report.errors["a"].exit_code == 5
    bench._scripts.clear()
    assert bench.resumed().forward().outcome == "done"


def test_a_look_that_fails_after_a_crash_leaves_the_task_as_unknown_as_it_was(bench: Bench) -> None:
    """Only what the step itself said counts as a failure; else it would be done again over a program that runs."""
    bench.on("apply", "a", LOST)
    bench.on("observe", "a", None, PERMANENT)
    report = bench.runner(bench.open(plan(task("a")))).forward()
    assert report.states["a"].status is Status.UNKNOWN
    assert "fail a" not in bench.store.words()


def test_a_program_that_outlived_the_connection_is_attached_to_and_not_started_again(bench: Bench) -> None:
    bench.on("apply", "a", lambda on: bench.jobs.update({on.key: "running"}), None)
    journal = bench.open(plan(task("a", step=LongCell())))
    bench.on("observe", "a", None, LOST)  # after the program was started, the verification's answer is lost
    assert bench.runner(journal).forward().outcome == "done"
    assert bench.programs == []
    assert bench.store.words() == ["run", "begin a", "end a"]


def test_the_record_of_a_program_that_said_no_text_can_be_used(bench: Bench) -> None:
    bench.on("observe", "a", None, LOST)
    report = bench.runner(bench.open(plan(task("a", step=LongCell())))).forward()
    assert report.outcome == "done", report.errors
    assert bench.jobs == {"r.0/a/1": "ended"}


def test_before_each_further_attempt_the_programs_of_earlier_ones_are_ended(bench: Bench) -> None:
    def start_and_fail(on: Context) -> None:
        bench.jobs[on.key] = "running"
        raise TEMPORARY

    bench.on("apply", "a", start_and_fail, start_and_fail)
    bench.runner(bench.open(plan(task("a")))).forward()
    assert bench.stopped == ["r.0/a/1", "r.0/a/1", "r.0/a/2"]


# Steps of which a second time may do harm ---------------------------------------------------------------------------


def test_once_what_failed_and_left_nothing_is_tried_again(bench: Bench) -> None:
    bench.on("apply", "a", TEMPORARY)
    assert bench.runner(bench.open(plan(task("a", step=OnceCell())))).forward().outcome == "done"


def test_once_what_failed_and_left_something_is_asked_about(bench: Bench) -> None:
    def leave_a_half(on: Context) -> None:
        bench.cells[on.task] = "half"
        raise TEMPORARY

    bench.on("apply", "a", leave_a_half)
    report = bench.runner(bench.open(plan(task("a", step=OnceCell())))).forward()
    assert report.outcome == "asked"
    assert bench.done("apply") == ["a"]
    assert "failed, and left something behind" in report.errors["a"].message


# What isn't a task's fault ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("records", [1, 2])
def test_a_journal_that_cannot_be_written_stops_the_run_which_can_be_resumed(bench: Bench, records: int) -> None:
    journal = bench.open(plan(task("a"), task("b", "a")))
    bench.store.fails_at = records
    with pytest.raises(OSError, match="disk full"):
        bench.runner(journal).forward()
    assert "b" not in bench.done("observe")
    bench.store.fails_at = None
    assert bench.resumed().forward().outcome == "done"


def test_equal_values_of_before_are_equal_whatever_json_made_of_them(bench: Bench) -> None:
    bench.on("apply", "a", LOST)
    journal = bench.open(plan(task("a", step=Tuples())))
    assert bench.runner(journal).forward().outcome == "done"
    assert bench.resumed().back().outcome == "undone"


def test_a_gate_ends_when_it_is_open_and_is_tried_again_while_it_is_not(bench: Bench) -> None:
    bench.on("apply", "a", NotYet("closed"), NotYet("closed"))
    assert bench.runner(bench.open(plan(task("a", step=Gate())))).forward().outcome == "done"


def test_a_step_whose_title_cannot_be_told_stops_the_run_and_does_not_hang_it(bench: Bench) -> None:
    class Untold(Cell):
        kind = "unit.untold"

        @property
        def title(self) -> str:
            raise KeyError("title")

    with pytest.raises(KeyError):
        bench.runner(bench.open(plan(task("a", step=Untold())))).forward()
