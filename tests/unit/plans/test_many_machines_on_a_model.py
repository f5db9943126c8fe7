"""Plans of several machines, walked on models of their hosts: in any order that they allow, cut, and taken back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from klusterkit.cluster import Machine
from klusterkit.engine.plan import Plan
from klusterkit.plans.create import compile_create
from klusterkit.plans.reference import HIGHLY_AVAILABLE, facts_of, master, worker
from klusterkit.plans.request import CreateRequest
from tests.unit.plans.host_model import ClusterModel
from tests.unit.plans.supplies import files
from tests.unit.plans.walking import State, Walk, changes, state_of

some = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller seed is no simpler order
)
seeds = st.integers(0, 2**32)

VIP = str(HIGHLY_AVAILABLE.endpoint and HIGHLY_AVAILABLE.endpoint.host)
FIRST = master("10.0.0.5", node_name="h5", interface="eth0")
NEW = (master("10.0.0.6"), master("10.0.0.7"), worker("10.0.0.8"))
ALL = (FIRST, *NEW, worker("10.0.0.9"))


def plan_for(machines: Sequence[Machine], existing: Sequence[Machine] = ()) -> Plan:
    request = CreateRequest(
        cluster=HIGHLY_AVAILABLE,
        machines=tuple(machines),
        existing=tuple(existing),
        facts={machine.name: facts_of(machine) for machine in machines},
        artifacts=files(),
        lineage="l",
        serial=1,
    )
    return compile_create(request)


@cache
def creation() -> Plan:
    return plan_for(ALL)


@cache
def first() -> Plan:
    return plan_for([FIRST])


@cache
def growth() -> Plan:
    return plan_for(NEW, [FIRST])


def model_of(machines: Sequence[Machine]) -> ClusterModel:
    model = ClusterModel.of(machines, VIP)
    for machine in machines:
        model[machine.name].machine.facts = facts_of(machine)
    return model


def grown(folder: Path) -> ClusterModel:
    """One master that works, and bare hosts beside it."""
    model = model_of((FIRST, *NEW))
    Walk(first(), model, folder).forward()
    return model


def any_order(plan: Plan, seed: int) -> list[str]:
    """An order in which the runner might walk it."""
    left = {task.id: set(task.needs) for task in plan.tasks}
    chance, order = random.Random(seed), []
    while left:
        name = chance.choice([task for task, needs in left.items() if not needs])
        del left[name]
        order.append(name)
        for needs in left.values():
            needs.discard(name)
    return order


def all_states(model: ClusterModel) -> State:
    return {name: state_of(host) for name, host in model.hosts.items()}


def works(model: ClusterModel, machines: Sequence[Machine]) -> bool:
    """Every master votes and has an API server, every machine has a node that was proved."""
    names = {facts_of(machine).hostname for machine in machines}
    masters = [machine for machine in machines if machine.is_master]
    objects = model.etcd.objects()
    return (
        model.etcd.voters == {facts_of(machine).hostname for machine in masters}
        and all(model[machine.name].api and model[machine.name].active("keepalived") for machine in masters)
        and model.nodes == names
        and all(objects[f"node/{name}"].get("proved") for name in names)
    )


@some
@given(seed=seeds)
def test_three_masters_and_two_workers_come_up_in_whatever_order(tmp_path: Path, seed: int) -> None:
    plan, model = creation(), model_of(ALL)
    Walk(plan, model, tmp_path).forward(order=any_order(plan, seed))
    assert works(model, ALL)
    assert Walk(plan, model, tmp_path).forward() == []


@some
@given(seed=seeds)
def test_members_come_one_after_the_other_each_as_a_learner_first(tmp_path: Path, seed: int) -> None:
    plan, model = creation(), model_of(ALL)
    Walk(plan, model, tmp_path).forward(order=any_order(plan, seed))
    peers = [f"https://{machine.address}:2380" for machine in NEW[:2]]
    assert model.etcd.changes == [f"{change} {peer}" for peer in peers for change in ("add", "promote")]


@some
@given(seed=seeds)
def test_a_cluster_that_is_there_grows(tmp_path: Path, seed: int) -> None:
    model, plan = grown(tmp_path), growth()
    Walk(plan, model, tmp_path).forward(order=any_order(plan, seed))
    assert works(model, (FIRST, *NEW))


@some
@given(seed=seeds)
def test_taken_back_the_cluster_is_as_it_was(tmp_path: Path, seed: int) -> None:
    model, plan = grown(tmp_path), growth()
    before, objects, members = all_states(model), model.etcd.objects(), [*model.etcd.seats]
    run, order = Walk(plan, model, tmp_path), any_order(plan, seed)
    run.forward(order=order)
    run.back(order=order)
    assert all_states(model) == before
    assert model.etcd.objects() == objects
    assert model.etcd.seats == members


@cache
def total(host: str, folder: Path) -> int:
    model = grown(folder)
    already = changes(model[host])
    Walk(growth(), model, folder).forward()
    return changes(model[host]) - already


hosts = st.sampled_from([FIRST.name, NEW[1].name])
moments = st.sampled_from(["before", "middle", "after"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


def cut(folder: Path, host: str, moment: Any, where: float) -> tuple[Walk, State, dict[str, Any]]:
    model = grown(folder)
    before, objects = all_states(model), model.etcd.objects()
    run = Walk(growth(), model, folder)
    run.cut(host, moment, max(1, round(where * total(host, folder))))
    return run, before, objects


@settings(some, max_examples=30)
@given(host=hosts, moment=moments, where=st.floats(0, 1, exclude_min=True))
def test_growth_that_was_cut_anywhere_can_be_finished(folder: Path, host: str, moment: Any, where: float) -> None:
    run, _, _ = cut(folder, host, moment, where)
    run.forward(attempt=2)
    assert works(run.model, (FIRST, *NEW))


@settings(some, max_examples=30)
@given(host=hosts, moment=moments, where=st.floats(0, 1, exclude_min=True))
def test_growth_that_was_cut_anywhere_can_be_taken_back(folder: Path, host: str, moment: Any, where: float) -> None:
    run, before, objects = cut(folder, host, moment, where)
    run.back()
    assert all_states(run.model) == before
    assert run.model.etcd.objects() == objects
    assert run.model.etcd.voters == {"h5"}
