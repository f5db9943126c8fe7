"""Going back puts everything back, the last first; and from anywhere on the way the run can go forward again."""

from __future__ import annotations

import pytest

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily, HostUnreachable
from klusterkit.engine.journal import Status
from klusterkit.engine.runner import PointOfNoReturn
from klusterkit.engine.step import Context
from tests.unit.engine.bench import Bench, Final, Gate, Inside, Short, plan, task

TEMPORARY = CommandFailedTemporarily("busy", host="h")
PERMANENT = CommandFailed("broken", host="h")
LOST = HostUnreachable("gone", host="h")
CHAIN = (task("a"), task("b", "a"), task("c", "b"))


def test_what_was_done_last_is_undone_first(bench: Bench) -> None:
    bench.cells["b"] = "old"
    bench.runner(bench.open(plan(*CHAIN))).forward()
    report = bench.resumed().back()
    assert report.outcome == "undone"
    assert bench.done("undo") == ["c", "b", "a"]
    assert bench.cells == {"b": "old"}


def test_undo_is_journaled_before_and_after(bench: Bench) -> None:
    bench.runner(bench.open(plan(task("a")))).forward()
    durable: list[list[str]] = []
    bench.on("undo", "a", lambda _: durable.append(bench.store.words()))
    bench.resumed().back()
    assert durable[0][-2:] == ["turn back", "begin back a"]
    assert bench.store.words()[-1] == "end back a"


def test_what_changed_nothing_is_not_undone_and_still_keeps_the_order(bench: Bench) -> None:
    bench.cells["b"] = "new"
    bench.runner(bench.open(plan(*CHAIN))).forward()
    assert bench.resumed().back().outcome == "undone"
    assert bench.done("undo") == ["c", "a"]
    assert bench.cells == {"b": "new"}


def test_a_task_that_failed_half_way_is_undone_too(bench: Bench) -> None:
    def leave_a_half(on: Context) -> None:
        bench.cells[on.task] = "half"
        raise PERMANENT

    bench.on("apply", "b", leave_a_half)
    bench.runner(bench.open(plan(*CHAIN))).forward()
    assert bench.resumed().back().outcome == "undone"
    assert bench.done("undo") == ["b", "a"]
    assert bench.cells == {}


def test_a_task_whose_end_is_unknown_is_undone_without_asking_how_it_ended(bench: Bench) -> None:
    bench.on("apply", "a", LOST)
    bench.on("observe", "a", None, *[LOST] * 5)
    bench.runner(bench.open(plan(task("a")))).forward()
    bench._scripts.clear()
    report = bench.resumed().back()
    assert report.outcome == "undone"
    assert report.states["a"].status is Status.UNDONE


def test_the_programs_of_all_attempts_are_ended_before_undo(bench: Bench) -> None:
    bench.on("apply", "a", TEMPORARY, PERMANENT)
    bench.on("undo", "a", TEMPORARY)
    bench.runner(bench.open(plan(task("a")))).forward()
    bench.jobs.update({"r.0/a/1": "ended", "r.0/a/2": "running", "r.0/a/undo-1": "running"})
    bench.resumed().back()
    assert bench.stopped == ["r.0/a/1", "r.0/a/2", "r.0/a/1", "r.0/a/2", "r.0/a/undo-1"]


def test_a_run_that_has_done_nothing_is_undone_at_once(bench: Bench) -> None:
    bench.open(plan(*CHAIN))
    assert bench.resumed().back().outcome == "undone"
    assert bench.log == []


def test_a_temporary_error_of_undo_is_tried_again(bench: Bench) -> None:
    bench.runner(bench.open(plan(task("a")))).forward()
    bench.on("undo", "a", TEMPORARY)
    assert bench.resumed().back().outcome == "undone"


def test_an_undo_that_fails_is_stuck_and_holds_up_only_what_it_stands_on(bench: Bench) -> None:
    bench.runner(bench.open(plan(*CHAIN, task("other")))).forward()
    bench.on("undo", "b", PERMANENT)
    report = bench.resumed().back()
    assert report.outcome == "failed"
    assert {name: state.status for name, state in report.states.items()} == {
        "a": Status.DONE,
        "b": Status.STUCK,
        "c": Status.UNDONE,
        "other": Status.UNDONE,
    }
    assert bench.happened("b")[-1] == "stuck"
    assert bench.resumed().back().outcome == "undone"


def test_an_undo_that_leaves_something_else_than_before_is_no_undo(bench: Bench) -> None:
    bench.cells["a"] = "old"
    bench.runner(bench.open(plan(task("a")))).forward()
    for _ in range(3):
        bench.on("undo", "a", lambda on: bench.on("observe", "a", lambda on: bench.cells.update(a="someone's")))
    report = bench.resumed().back()
    assert report.outcome == "failed"
    assert report.errors["a"].type == "VerificationFailed"
    assert 'now {"was": "someone\'s"}' in (report.errors["a"].seen or "")


def test_two_undos_that_have_nothing_to_do_with_each_other_do_not_wait_for_each_other(bench: Bench) -> None:
    """Short steps go forward together; on the way back each is alone."""
    bench.runner(bench.open(plan(task("a", step=Short()), task("b", step=Short()), task("c")))).forward()
    bench.on("undo", "a", PERMANENT)
    report = bench.resumed().back()
    assert report.states["b"].status is Status.UNDONE
    assert report.states["c"].status is Status.UNDONE


# Points of no return ------------------------------------------------------------------------------------------------


def test_past_a_point_of_no_return_there_is_no_going_back(bench: Bench) -> None:
    bench.runner(bench.open(plan(task("a"), task("b", "a", step=Final())))).forward()
    with pytest.raises(PointOfNoReturn) as caught:
        bench.resumed().back()
    assert caught.value.exit_code == 6
    assert "b (unit.final) can't be undone" in str(caught.value)
    assert "cctl resume" in (caught.value.hint or "")
    assert "turn back" not in bench.store.words()
    assert bench.done("undo") == []


def test_a_point_of_no_return_is_past_once_it_has_begun(bench: Bench) -> None:
    bench.on("apply", "a", PERMANENT)
    bench.runner(bench.open(plan(task("a", step=Final())))).forward()
    with pytest.raises(PointOfNoReturn):
        bench.resumed().back()
    assert bench.resumed().forward().outcome == "done"


def test_before_a_point_of_no_return_there_is_going_back(bench: Bench) -> None:
    bench.on("observe", "b", PERMANENT)  # it could not even be looked at
    bench.runner(bench.open(plan(task("a"), task("b", "a", step=Final())))).forward()
    assert bench.resumed().back().outcome == "undone"
    assert bench.cells == {}


def test_a_point_of_no_return_that_had_nothing_to_do_is_none(bench: Bench) -> None:
    bench.cells["a"] = "new"
    bench.runner(bench.open(plan(task("a", step=Final()), task("b", "a")))).forward()
    assert bench.resumed().back().outcome == "undone"
    assert bench.cells == {"a": "new"}


# What is taken back with something else, and what leaves nothing ----------------------------------------------------


BOXED = (task("box"), task("in", "box", step=Inside(), undone_by="box"))


def test_what_is_contained_is_taken_back_with_what_holds_it(bench: Bench) -> None:
    bench.runner(bench.open(plan(*BOXED))).forward()
    assert bench.resumed().back().outcome == "undone"
    assert bench.done("undo") == ["box"]
    assert bench.store.words()[-3:] == ["end back in", "begin back box", "end back box"]


def test_a_program_of_what_is_contained_is_ended_before_what_holds_it_goes(bench: Bench) -> None:
    bench.on("apply", "in", LOST)
    bench.on("observe", "in", None, *[LOST] * 5)
    bench.runner(bench.open(plan(*BOXED))).forward()
    bench._scripts.clear()
    bench.jobs["r.0/in/1"] = "running"
    bench.on("undo", "box", lambda _: bench.stopped.append("undo of the box"))
    assert bench.resumed().back().outcome == "undone"
    assert bench.stopped[0] == "r.0/in/1"
    assert "undo of the box" in bench.stopped


def test_a_program_of_a_gate_is_ended_on_the_way_back(bench: Bench) -> None:
    bench.on("apply", "a", LOST)
    bench.on("observe", "a", None, *[LOST] * 5)
    bench.runner(bench.open(plan(task("a", step=Gate())))).forward()
    bench._scripts.clear()
    bench.jobs["r.0/a/1"] = "running"
    assert bench.resumed().back().outcome == "undone"
    assert bench.stopped == ["r.0/a/1"]
    assert bench.done("undo") == []


def test_what_is_contained_in_something_that_was_there_before_cannot_be_taken_back(bench: Bench) -> None:
    """The box's undo would leave the box, and all in it, where it is: nobody may say that this was undone."""
    bench.cells["box"] = "new"
    bench.runner(bench.open(plan(*BOXED))).forward()
    report = bench.resumed().back()
    assert report.outcome == "failed"
    assert report.states["in"].status is Status.STUCK
    assert "box, which holds it, was there before" in report.errors["in"].message
    assert bench.resumed().forward().outcome == "done"


def test_what_changed_nothing_inside_something_that_was_there_needs_no_taking_back(bench: Bench) -> None:
    bench.cells.update({"box": "new", "in": "new"})
    bench.runner(bench.open(plan(*BOXED))).forward()
    assert bench.resumed().back().outcome == "undone"


def test_what_is_contained_twice_is_taken_back_with_the_outermost(bench: Bench) -> None:
    bench.cells["inner"] = "new"
    tasks = (task("outer"), task("inner", "outer", step=Inside(), undone_by="outer"))
    bench.runner(bench.open(plan(*tasks, task("in", "inner", step=Inside(), undone_by="inner")))).forward()
    assert bench.resumed().back().outcome == "undone"
    assert bench.done("undo") == ["outer"]


# Forward again ------------------------------------------------------------------------------------------------------


def test_a_rolled_back_run_can_go_forward_again(bench: Bench) -> None:
    bench.runner(bench.open(plan(*CHAIN))).forward()
    bench.resumed().back()
    report = bench.resumed().forward()
    assert report.outcome == "done"
    assert bench.cells == {"a": "new", "b": "new", "c": "new"}
    assert bench.resumed().back().outcome == "undone"
    assert bench.cells == {}


def test_half_way_back_a_run_can_go_forward_again(bench: Bench) -> None:
    bench.runner(bench.open(plan(*CHAIN))).forward()
    bench.on("undo", "b", PERMANENT)
    bench.resumed().back()
    bench.log.clear()
    report = bench.resumed().forward()
    assert report.outcome == "done"
    assert bench.done("observe")[0] == "b", "a was never undone"
    assert bench.done("apply") == ["c"]


def test_what_was_passed_over_on_the_way_back_is_looked_at_again_on_the_way_forward(bench: Bench) -> None:
    """A gate that was open when it was first looked at is closed by the undo of what it stands for."""
    bench.cells["gate"] = "new"
    bench.runner(bench.open(plan(task("a"), task("gate", "a", step=Gate()), task("b", "gate")))).forward()
    assert bench.happened("gate") == ["started", "unchanged"]
    bench.resumed().back()
    del bench.cells["gate"]
    bench.log.clear()
    assert bench.resumed().forward().outcome == "done"
    assert bench.done("apply") == ["a", "gate", "b"]


def test_what_the_operator_skipped_is_asked_for_again_after_going_back(bench: Bench) -> None:
    bench.on("apply", "b", PERMANENT)
    bench.runner(bench.open(plan(*CHAIN))).forward()
    bench.decide("b", "skip")
    assert bench.resumed().forward().outcome == "done"
    bench.resumed().back()
    assert bench.resumed().forward().outcome == "done"
    assert bench.cells == {"a": "new", "b": "new", "c": "new"}


def test_after_an_undo_before_is_seen_anew(bench: Bench) -> None:
    bench.cells["a"] = "old"
    bench.runner(bench.open(plan(task("a")))).forward()
    bench.resumed().back()
    bench.cells["a"] = "changed by hand"
    bench.resumed().forward()
    bench.resumed().back()
    assert bench.cells == {"a": "changed by hand"}


def test_each_round_keeps_its_own_copies_and_programs(bench: Bench) -> None:
    seen: list[tuple[str, str]] = []
    for _ in range(2):
        bench.on("apply", "m1/a", lambda on: seen.append((on.key, on.kept("/etc/x y"))))
    bench.runner(bench.open(plan(task("m1/a")))).forward()
    bench.resumed().back()
    bench.resumed().forward()
    assert seen == [
        ("r.0/m1.a/1", "/var/lib/klusterkit/kept/r.0/m1.a/etc%x y"),
        ("r.1/m1.a/2", "/var/lib/klusterkit/kept/r.1/m1.a/etc%x y"),
    ]


def test_undo_gets_what_the_first_attempt_saw_even_after_many(bench: Bench) -> None:
    bench.cells["a"] = "old"

    def leave_a_half(on: Context) -> None:
        bench.cells[on.task] = "half"
        raise TEMPORARY

    bench.on("apply", "a", leave_a_half, leave_a_half)
    bench.runner(bench.open(plan(task("a")))).forward()
    bench.resumed().back()
    assert bench.cells == {"a": "old"}
