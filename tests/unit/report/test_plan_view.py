"""What a plan looks like before it runs."""

from __future__ import annotations

from typing import ClassVar

from example_runs import SMALL, Burn, Make, Wait, paper, plan, said, task

from klusterkit.engine.errors import NotYet
from klusterkit.engine.executor import Outcome
from klusterkit.engine.step import Difference, Observation
from klusterkit.report.planview import show_plan, show_summary, symbol


def shown(view: object, *arguments: object, **keywords: object) -> str:
    console = paper()
    view(console, *arguments, **keywords)  # type: ignore[operator]
    return said(console)


def test_a_plan_is_listed_in_order_with_symbols_and_a_summary():
    assert (
        shown(show_plan, SMALL)
        == """\
m1: 3 tasks
  .  preflight   wait for the host
  +  etcd/unit   make the unit
  +  etcd/start  make etcd

+ is made   . only looks, waits or proves
Everything in it can be undone until it is done: cctl rollback.
Plan: create machine --ip m1 --role master: 3 tasks on 1 host, about 20 s or
more, as measured on test hosts.
"""
    )


def test_points_of_no_return_are_named_even_in_the_summary():
    burning = plan(task("keep", Make(what="a copy")), task("etcd/burn", Burn(what="the data"), "m1/keep"))
    text = shown(show_summary, burning)
    assert "Can't be undone once begun (1 point of no return):\n  ! m1/etcd/burn  burn the data\n" in text
    assert "can be undone" not in text


def test_a_plan_for_hosts_in_the_wrong_order_is_listed_in_the_order_in_which_it_can_run():
    backwards = plan(task("second", Make(what="b"), "m1/first"), task("first", Make(what="a")))
    text = shown(show_plan, backwards)
    assert text.index("first") < text.index("second")


def test_hosts_with_the_same_steps_are_told_once():
    many = plan(*(task("etc/hosts", Make(what="/etc/hosts"), host=f"n{number}") for number in range(12)))
    text = shown(show_plan, many)
    assert "n0, n1, n2, n3 and 8 more (12 hosts): the same 1 task each" in text
    assert text.count("make /etc/hosts") == 1


def test_hosts_with_different_steps_are_told_apart():
    two = plan(task("a", Make(what="x"), host="n1"), task("a", Make(what="y"), host="n2"))
    text = shown(show_plan, two)
    assert "n1: 1 task" in text
    assert "n2: 1 task" in text


def test_needs_are_said_where_they_are_on_another_host_and_all_of_them_when_wide():
    two = plan(
        task("api", Make(what="the API")),
        task("mark", Make(what="a mark"), host="n1"),
        task("join", Make(what="a node"), "m1/api", "n1/mark", host="n1"),
    )
    assert "make a node  (after m1/api)" in shown(show_plan, two)
    assert "make a node  (after m1/api, mark)" in shown(show_plan, two, wide=True).replace(" and ", ", ")


def test_budgets_of_each_host_are_one_line():
    steps = [
        task("i", Make(what="x"), host=host, budgets=("uploads", f"imports/{host}")) for host in ("n1", "n2", "n3")
    ]
    budgets = {"uploads": 4, "imports/n1": 2, "imports/n2": 2, "imports/n3": 2}
    assert "At the same time, at most: 2 imports on each host, 4 uploads.\n" in shown(
        show_plan, plan(*steps, budgets=budgets)
    )


def test_the_estimate_counts_tasks_that_wait_for_a_budget_one_after_the_other():
    steps = [task(f"i{number}", Make(what="x"), cost=60.0, budgets=("imports",)) for number in range(10)]
    assert "about 5 min" in shown(show_plan, plan(*steps, budgets={"imports": 2}))


def test_a_look_at_the_hosts_tells_what_is_so_already_what_changes_and_what_is_made():
    make, wait, burn = task("a", Make(what="x")), task("b", Wait(what="x")), task("c", Burn(what="x"))
    so = Outcome(observation=Observation(satisfied=True))
    other = Outcome(observation=Observation(satisfied=False), differences=(Difference(what="x", old="1", new="2"),))
    missing = Outcome(observation=Observation(satisfied=False), differences=(Difference(what="x", new="2"),))
    unseen = Outcome(error=NotYet("not yet").info())
    assert [symbol(make, seen) for seen in (so, other, missing, unseen, None)] == ["=", "~", "+", "?", "+"]
    assert [symbol(wait, seen) for seen in (so, other, unseen, None)] == ["=", ".", ".", "."]
    assert [symbol(burn, seen) for seen in (so, other, unseen, None)] == ["=", "!", "!", "!"]


def test_what_is_so_already_is_not_counted_into_the_time():
    seen = {"m1/etcd/start": Outcome(observation=Observation(satisfied=True))}
    text = shown(show_plan, SMALL, seen).replace("\n", " ")
    assert "3 tasks on 1 host, 1 as they should be already, a few seconds or more, as measured" in text


def test_no_line_is_longer_than_the_screen():
    long = plan(task("images/upload-" + "x" * 30, Make(what="registry.example/" + "y" * 90 + " and more words")))
    assert max(map(len, shown(show_plan, long).splitlines())) <= 80


def test_what_is_taken_away_is_told_from_what_is_made():
    class Take(Make):
        kind: ClassVar[str] = "example.take"
        takes_away: ClassVar[bool] = True

    text = shown(show_plan, plan(task("a", Make(what="x")), task("b", Take(what="y"))))
    assert "  +  a  make x\n  -  b  make y\n" in text
    assert "- is taken back or away" in text
