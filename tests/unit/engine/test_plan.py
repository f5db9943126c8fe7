"""A plan is immutable, deterministic data that says what is wrong with it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from klusterkit.engine.errors import PlanInvalid
from klusterkit.engine.plan import Plan, Task, needs_of
from klusterkit.engine.step import Step
from tests.unit.engine.bench import Cell, Final, Gate, Inside, plan, task


def test_equal_plans_have_equal_digests() -> None:
    assert plan(task("a"), task("b", "a")).digest == plan(task("a"), task("b", "a")).digest


@pytest.mark.parametrize(
    "other",
    [
        plan(task("b", "a"), task("a")),
        plan(task("a"), task("b")),
        plan(task("a"), task("b", "a", step=Cell(value="other"))),
        plan(task("a"), task("b", "a", timeout=1.0)),
        plan(task("a"), task("b", "a"), budgets={"x": 1}),
        plan(task("a"), task("b", "a"), facts={"h": {"cpus": 2}}),
        plan(task("a"), task("b", "a"), outcome={"machines": []}),
        plan(task("a"), task("b", "a")).changed(serial=2),
        plan(task("a"), task("b", "a")).changed(lineage="other"),
    ],
)
def test_whatever_differs_in_two_plans_differs_in_their_digests(other: Plan) -> None:
    assert other.digest != plan(task("a"), task("b", "a")).digest


def test_the_digest_does_not_depend_on_the_order_of_names_in_a_mapping() -> None:
    one = plan(task("a"), outcome={"x": 1, "y": 2}, budgets={"p": 1, "q": 2})
    two = plan(task("a"), outcome={"y": 2, "x": 1}, budgets={"q": 2, "p": 1})
    assert one.digest == two.digest


def test_a_plan_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        plan(task("a")).serial = 5


def test_a_changed_plan_is_another_plan() -> None:
    old = plan(task("a"))
    new = old.changed(seen={"a": "sha256:0"})
    assert (old.seen, new.seen) == ({}, {"a": "sha256:0"})
    assert new.digest != old.digest


def test_the_order_follows_the_needs_and_else_the_plan() -> None:
    assert plan(task("c", "b"), task("z"), task("b"), task("a")).order == ("z", "b", "c", "a")


def test_the_order_follows_what_comes_after_too() -> None:
    assert plan(task("c", after=("b",)), task("a"), task("b")).order == ("a", "b", "c")


def test_the_way_still_to_go_counts_what_comes_after() -> None:
    made = plan(task("a", cost=1), task("b", after=("a",), cost=10), task("c", "a", cost=2))
    assert made.remaining == {"a": 11, "b": 10, "c": 2}


def test_the_way_still_to_go_is_the_longest_one() -> None:
    made = plan(task("a", cost=1), task("b", "a", cost=10), task("c", "a", cost=2), task("d", "b", "c", cost=3))
    assert made.remaining == {"a": 14, "b": 13, "c": 5, "d": 3}


def test_hosts_are_in_the_order_of_their_first_task() -> None:
    assert plan(task("a", host="m2"), task("b", host="m1"), task("c", host="m2")).hosts == ("m2", "m1")


def test_points_of_no_return_are_known_before_the_run() -> None:
    made = plan(task("a"), task("b", "a", step=Final()))
    assert [point.id for point in made.points_of_no_return()] == ["b"]


def test_needs_are_collected_once_each_in_order() -> None:
    a, b = task("a"), task("b")
    assert needs_of(a, "x", [b, a], "x") == ("a", "x", "b")


# What can't be run --------------------------------------------------------------------------------------------------


def refused(*tasks: Task, **fields: object) -> str:
    made = Plan(operation="test", lineage="l", serial=1, tasks=tasks, **fields)  # type: ignore[arg-type]
    with pytest.raises(PlanInvalid) as caught:
        made.checked()
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_a_need_that_is_not_in_the_plan_is_named() -> None:
    assert refused(task("a"), task("b", "ghost")) == "task b needs ghost, which is not in the plan"


def test_two_tasks_of_one_id_are_named() -> None:
    assert refused(task("a"), task("twin"), task("twin")) == "two tasks have the same id: twin"


def test_a_circle_is_shown_all_the_way_round() -> None:
    message = refused(task("a", "c"), task("b", "a"), task("c", "b"), task("d"))
    assert message.startswith("tasks wait for each other in a circle: ")
    circle = message.partition(": ")[2].split(" → ")
    assert len(circle) == 4
    assert circle[0] == circle[-1]
    assert set(circle) == {"a", "b", "c"}


def test_a_circle_of_needs_and_of_what_comes_after_is_one_too() -> None:
    message = refused(task("a", after=("b",)), task("b", "a"))
    assert message in (f"tasks wait for each other in a circle: {circle}" for circle in ("a → b → a", "b → a → b"))


def test_what_a_task_comes_after_is_in_the_plan() -> None:
    assert refused(task("a", after=("ghost",))) == "task a comes after ghost, which is not in the plan"


def test_a_task_that_needs_itself_is_a_circle() -> None:
    assert refused(task("a", "a")) == "tasks wait for each other in a circle: a → a"


@pytest.mark.parametrize("budgets", [{}, {"uploads": 0}, {"other": 3}])
def test_a_budget_without_room_is_named_with_its_task(budgets: dict[str, int]) -> None:
    message = refused(task("a", budgets=("uploads",)), budgets=budgets)
    assert message == "task a uses the budget 'uploads', which the plan gives nothing"


def test_a_task_takes_one_unit_of_a_budget() -> None:
    assert "task a names a budget twice" in refused(task("a", budgets=("x", "x")), budgets={"x": 2})


def test_a_contained_step_says_in_what() -> None:
    assert refused(task("box"), task("a", "box", step=Inside())).startswith(
        "task a: 'undone_by' goes with a step whose"
    )


def test_only_a_contained_step_says_in_what() -> None:
    assert refused(task("box"), task("a", "box", undone_by="box")).startswith("task a: 'undone_by' goes with a step")


@pytest.mark.parametrize("container", ["ghost", "later", "beside", "a"])
def test_what_contains_a_step_comes_before_it(container: str) -> None:
    tasks = [task("beside"), task("a", step=Inside(), undone_by=container), task("later", "a")]
    assert refused(*tasks) == f"task a is undone by {container}, which doesn't come before it"


def test_what_contains_a_step_may_come_long_before_it() -> None:
    plan(task("box"), task("between", "box"), task("a", "between", step=Inside(), undone_by="box"))


def test_what_contains_a_step_has_an_undo() -> None:
    message = refused(task("gate", step=Gate()), task("a", "gate", step=Inside(), undone_by="gate"))
    assert message == "task a is undone by gate, which has no undo"


@pytest.mark.parametrize("spec", [{"kind": "unit.unheard"}, {}, {"kind": None}])
def test_an_unknown_kind_of_step_is_named_with_what_to_do(spec: dict[str, object]) -> None:
    with pytest.raises(PlanInvalid, match="unknown kind of step") as caught:
        Step.parse(spec)
    assert repr(spec.get("kind")) in str(caught.value)
    assert "plan again" in (caught.value.hint or "")


def test_two_kinds_of_one_name_are_refused_where_they_are_defined() -> None:
    with pytest.raises(TypeError, match=r"two kinds of step are called 'unit.cell'"):
        type("Other", (Cell,), {"kind": "unit.cell", "__annotations__": {}, "__module__": __name__})


def test_a_step_knows_its_fields_and_no_others() -> None:
    with pytest.raises(ValidationError):
        Cell.model_validate({"value": "x", "colour": "red"})
