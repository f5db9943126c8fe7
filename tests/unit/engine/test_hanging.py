"""A step that doesn't come back holds up nothing but what stands on it."""

from __future__ import annotations

from klusterkit.engine.journal import Status
from klusterkit.engine.plan import Task
from klusterkit.engine.step import Step
from tests.unit.engine.bench import Bench, Cell, Short, plan, task

GRACE = 0.5


def brief(name: str, *needs: str, step: Step | None = None, budgets: tuple[str, ...] = ()) -> Task:
    return task(name, *needs, step=step or Cell(), budgets=budgets, timeout=GRACE)


def test_a_step_that_hangs_leaves_its_task_unknown_and_the_others_go_on(bench: Bench) -> None:
    bench.on("apply", "a", bench.hang)
    tasks = (brief("a"), task("after", "a"), task("b"), task("c", "b"))
    report = bench.runner(bench.open(plan(*tasks)), grace=GRACE).forward()
    assert report.outcome == "failed"
    assert {name: state.status for name, state in report.states.items()} == {
        "a": Status.UNKNOWN,
        "after": Status.PENDING,
        "b": Status.DONE,
        "c": Status.DONE,
    }
    assert report.errors["a"].type == "StepHung"
    assert "cctl resume" in (report.errors["a"].hint or "")


def test_it_is_not_tried_again_beside_itself(bench: Bench) -> None:
    bench.on("apply", "a", bench.hang)
    bench.runner(bench.open(plan(brief("a"))), grace=GRACE).forward()
    assert bench.done("apply") == ["a"]


def test_the_run_can_be_resumed(bench: Bench) -> None:
    bench.on("apply", "a", bench.hang)
    bench.runner(bench.open(plan(brief("a"), task("after", "a"))), grace=GRACE).forward()
    assert bench.resumed().forward().outcome == "done"


def test_the_run_can_be_rolled_back(bench: Bench) -> None:
    bench.on("apply", "a", bench.hang)
    bench.runner(bench.open(plan(brief("a"), task("b"))), grace=GRACE).forward()
    assert bench.resumed().back().outcome == "undone"
    assert bench.cells == {}


def test_a_look_that_hangs_before_anything_began_leaves_nothing_unknown(bench: Bench) -> None:
    bench.on("observe", "a", bench.hang)
    report = bench.runner(bench.open(plan(brief("a"), task("b"))), grace=GRACE).forward()
    assert report.states["a"].status is Status.FAILED
    assert report.states["b"].status is Status.DONE


def test_an_undo_that_hangs_leaves_its_task_to_the_next_rollback(bench: Bench) -> None:
    bench.runner(bench.open(plan(brief("a"), task("b")))).forward()
    bench.on("undo", "a", bench.hang)
    report = bench.resumed(grace=GRACE).back()
    assert report.states["a"].status is Status.UNDO_UNKNOWN
    assert report.states["b"].status is Status.UNDONE
    assert bench.resumed().back().outcome == "undone"


def test_all_of_a_batch_that_hangs_are_unknown_and_none_is_tried_beside_it(bench: Bench) -> None:
    bench.on("apply", "a", bench.hang)
    tasks = [brief(name, step=Short()) for name in "ab"]
    report = bench.runner(bench.open(plan(*tasks, task("c"))), grace=GRACE).forward()
    assert [report.states[name].status for name in "abc"] == [Status.UNKNOWN, Status.UNKNOWN, Status.DONE]
    assert set(report.errors) == {"a", "b"}
    assert bench.done("apply").count("a") == 1
    assert "b" not in bench.done("apply")
    assert bench.resumed().forward().outcome == "done"


def test_a_batch_has_the_patience_of_its_most_patient_step_and_no_more(bench: Bench) -> None:
    """Sixty-four steps of two minutes each would be waited for over two hours."""
    bench.on("apply", "t0", bench.hang)
    tasks = [task(f"t{number}", step=Short(), timeout=0.2) for number in range(64)]
    report = bench.runner(bench.open(plan(*tasks)), grace=GRACE).forward()
    assert report.outcome == "failed"
    waited = report.errors["t0"].message
    assert waited.endswith("no answer after 1 s"), waited  # 0.2 s and the grace; 64 x 0.2 s would be 13 s


def test_what_it_took_of_its_budgets_stays_taken_as_it_may_still_act(bench: Bench) -> None:
    bench.on("apply", "a", bench.hang)
    tasks = (brief("a", budgets=("x",)), task("b", budgets=("x",)), task("c"))
    made = plan(*tasks, budgets={"x": 1})
    report = bench.runner(bench.open(made), grace=GRACE, at_once=1).forward()
    assert "b" not in bench.done("observe")
    assert report.states["c"].status is Status.DONE
    assert bench.resumed().forward().outcome == "done"
