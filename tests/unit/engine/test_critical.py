"""The critical path of a run is the longest chain of needs by what its tasks took."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.engine.critical import critical_path
from klusterkit.engine.plan import Plan
from tests.unit.engine.bench import plan, task


@st.composite
def runs(draw: st.DrawFn) -> tuple[Plan, dict[str, float]]:
    tasks = [task("t0")]
    for number in range(1, draw(st.integers(1, 12))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3))
        tasks.append(task(f"t{number}", *(f"t{need}" for need in sorted(needs))))
    return plan(*tasks), {one.id: float(draw(st.integers(1, 100))) for one in tasks}


@given(runs())
def test_no_chain_of_needs_took_longer(run: tuple[Plan, dict[str, float]]) -> None:
    made, took = run

    path = critical_path(made, took)

    assert all(before in made.by_id[after].needs for before, after in pairwise(path))
    weighed = nx.DiGraph()
    weighed.add_nodes_from(("begin", *made.by_id))
    weighed.add_edges_from(("begin", one.id, {"weight": took[one.id]}) for one in made.tasks)
    weighed.add_edges_from((need, one.id, {"weight": took[one.id]}) for one in made.tasks for need in one.needs)
    assert sum(map(took.__getitem__, path)) == nx.dag_longest_path_length(weighed)


def test_a_task_that_only_looked_links_others_and_is_not_named() -> None:
    made = plan(task("a"), task("look", "a"), task("b", "look"), task("c"))

    assert critical_path(made, {"a": 2.0, "b": 2.0, "c": 3.0}) == ("a", "b")


def test_what_only_comes_after_another_waited_for_it_too() -> None:
    made = plan(task("a"), task("b", after=("a",)))

    assert critical_path(made, {"a": 1.0, "b": 1.0}) == ("a", "b")


def test_a_run_that_did_nothing_has_none() -> None:
    assert critical_path(plan(task("a")), {}) == ()
