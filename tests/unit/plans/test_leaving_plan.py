"""Machines that leave, and clusters that end: what the plan says before anybody walks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import pytest

from klusterkit.cluster import Machine
from klusterkit.engine.plan import Plan
from klusterkit.plans.delete import compile_delete
from klusterkit.plans.deletion import DeleteRequest, DrainOptions, Leaving
from klusterkit.plans.reference import (
    HIGHLY_AVAILABLE,
    LINEAGE,
    create_three_masters_two_workers,
    records,
)
from klusterkit.plans.reference.machines import delete_a_gone_master, delete_a_worker
from klusterkit.tasks.leaving import Drain
from klusterkit.tasks.membership import Spared


@pytest.fixture(scope="module")
def machines() -> list[Machine]:
    """Three masters and two workers, as the state has them."""
    return [Machine.from_object(each) for each in create_three_masters_two_workers().outcome["machines"]]


def leaving(machines: Sequence[Machine], *names: str, gone: Sequence[str] = (), **options: Any) -> Plan:
    """The plan by which machines leave; the hosts of some are dead."""
    known = records(create_three_masters_two_workers())
    going = [each for each in machines if each.name in (*names, *gone)]
    staying = [each for each in machines if each not in going]
    request = DeleteRequest(
        cluster=HIGHLY_AVAILABLE,
        leaving=tuple(Leaving(machine=each, record=None if each.name in gone else known[each.name]) for each in going),
        staying=tuple(staying),
        asked_on=next((each.name for each in staying if each.is_master), None),
        forget=not staying,
        lineage=LINEAGE,
        serial=4,
        **options,
    )
    return compile_delete(request).checked()


def test_a_worker_can_come_back_until_it_has_left() -> None:
    assert delete_a_worker().points_of_no_return() == []


def test_a_dead_host_is_not_reached() -> None:
    assert "10.0.0.7" not in delete_a_gone_master().hosts


def test_before_the_first_vote_goes_all_that_go_are_seen_to_be_spared(machines: list[Machine]) -> None:
    plan = leaving(machines, "10.0.0.6", gone=["10.0.0.7"])
    (gate,) = (task for task in plan.tasks if isinstance(task.step, Spared))
    assert gate.step.leaving == ("https://10.0.0.7:2380", "https://10.0.0.6:2380")
    assert all(gate.id in nx.ancestors(plan.graph, vote.id) for vote in plan.points_of_no_return())


def test_until_the_first_vote_goes_all_of_it_can_be_undone(machines: list[Machine]) -> None:
    plan = leaving(machines, "10.0.0.6", "10.0.0.8")
    (vote,) = plan.points_of_no_return()
    titles = {plan.by_id[name].step.title for name in nx.ancestors(plan.graph, vote.id)}
    assert {"drain the node h6", "drain the node h8", "take back: enable and start keepalived.service"} <= titles
    assert not any("etcd" in title or "kubelet.service" in title for title in titles if "take back" in title)


def test_what_etcd_holds_is_given_up_when_all_else_is_done(machines: list[Machine]) -> None:
    plan = leaving(machines, *(each.name for each in machines))
    points = [task.id for task in plan.points_of_no_return()]
    assert points == [f"10.0.0.{number}/undo/etcd/data" for number in (5, 6, 7)]
    for point in points:
        assert nx.ancestors(plan.graph, point) == set(plan.by_id) - set(points)


def test_no_more_nodes_are_drained_at_once_than_wanted(machines: list[Machine]) -> None:
    plan = leaving(machines, "10.0.0.8", "10.0.0.9", drain=DrainOptions(at_once=1))
    drains = [task for task in plan.tasks if isinstance(task.step, Drain)]
    assert [task.budgets for task in drains] == [("drains",)] * 2
    assert plan.budgets["drains"] == 1
    assert "drains" not in leaving(machines, "10.0.0.8").budgets


def test_without_draining_pods_end_with_their_host(machines: list[Machine]) -> None:
    plan = leaving(machines, "10.0.0.8", drain=DrainOptions(skip=True))
    assert not any("drain" in task.step.title for task in plan.tasks)


def test_the_outcome_takes_what_has_left_out_of_the_state(machines: list[Machine]) -> None:
    assert leaving(machines, "10.0.0.8", gone=["10.0.0.7"]).outcome == {
        "removed": {"machines": ["10.0.0.7", "10.0.0.8"], "gone": ["10.0.0.7"]}
    }
    assert leaving(machines, "10.0.0.8", keep_uploads=True).outcome["removed"]["keep"] == ["artifacts"]
    end = leaving(machines, *(each.name for each in machines)).outcome
    assert end["cluster"] is None
    assert "ca.key" in end["removed"]["secrets"]
