"""A cluster that was made long ago is taken back on a model of its host: to the end, and cut at any change, both ways."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klusterkit.engine.host import HOME
from klusterkit.engine.journal import Journal, Record
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord, done_by_host
from klusterkit.engine.step import Context, Undo
from klusterkit.hosts.simulated import SimulatedCrash
from klusterkit.plans.delete import DeleteRequest, Leaving, compile_delete
from klusterkit.plans.reference import CLUSTER, MACHINE
from klusterkit.session.ending import clear
from tests.unit.engine.bench import MemoryStore
from tests.unit.plans.cluster_model import ClusterModel, context, reference_plan
from tests.unit.plans.test_plan_on_a_model import Before, state_of

THEN, NOW = "r1.0", "r2.0"
cuts = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def on(model: ClusterModel, task: str, folder: Path, run: str, **fields: Any) -> Context:
    return replace(context(model, task, folder, **fields), run=run)


def forward(
    model: ClusterModel, plan: Plan, folder: Path, run: str, begun: Before, done: set[str], attempt: int = 1
) -> None:
    """Walk as the runner does: what is done is not looked at again."""
    for name in (name for name in plan.order if name not in done):
        step, at = plan.by_id[name].step, on(model, name, folder, run, attempt=attempt)
        seen = step.observe(at)
        if not seen.satisfied:
            begun.setdefault(name, json.loads(json.dumps(seen.before)))
            step.apply_many([step], [at], [begun[name]])
        done.add(name)


def back(model: ClusterModel, plan: Plan, folder: Path, run: str, begun: Before) -> None:
    for name in reversed(plan.order):
        step = plan.by_id[name].step
        if name in begun and step.undoing is Undo.EXACT:
            at = on(model, name, folder, run, undoing=True)
            step.undo(at, begun[name])
            assert json.loads(json.dumps(step.observe(at).before)) == begun[name], name


def recorded(begun: Before) -> HostRecord:
    """What the end of the run leaves on the host."""
    journal = Journal.open(MemoryStore(), reference_plan(), run="r1", who="somebody")
    for name in reference_plan().order:
        end = Record(record="end", at=time.time(), task=name, changed=name in begun)
        if name in begun:
            journal.write(Record(record="begin", at=time.time(), task=name, attempt=1, before=begun[name]))
        journal.write(end)
    return HostRecord().after(done_by_host(journal)[MACHINE.name])


def take_down(record: HostRecord) -> Plan:
    machine = MACHINE.replace(node_name="m1")
    leaving = (Leaving(machine=machine, record=record),)
    return compile_delete(DeleteRequest(cluster=CLUSTER, leaving=leaving, forget=True, lineage="l", serial=2)).checked()


class Made:
    """A model with a cluster on it, and the plan that takes it down."""

    def __init__(self, folder: Path) -> None:
        self.model = ClusterModel()
        self.folder = folder
        self.bare = state_of(self.model)
        begun: Before = {}
        forward(self.model, reference_plan(), folder, THEN, begun, set())
        self.made = state_of(self.model)
        self.plan = take_down(recorded(begun))
        self.begun: Before = {}
        self.done: set[str] = set()

    def forward(self, attempt: int = 1) -> None:
        forward(self.model, self.plan, self.folder, NOW, self.begun, self.done, attempt)

    def cut(self, moment: Any, change: int) -> None:
        self.model.host.faults.crash(moment, change)
        with pytest.raises(SimulatedCrash):
            self.forward()

    @property
    def past_return(self) -> bool:
        return any(task.id in self.begun for task in self.plan.points_of_no_return())


@pytest.fixture(scope="module")
def total(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls change the host on the whole way."""
    made = Made(tmp_path_factory.mktemp("artifacts"))
    already = made.model.host.faults.mutations
    made.forward()
    return made.model.host.faults.mutations - already


def test_the_host_is_what_it_was_and_keeps_what_etcd_held(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.forward()
    assert state_of(made.model) == made.bare
    clear(lambda _: made.model.host, Journal.open(MemoryStore(), made.plan, run="r2", who="somebody"))
    kept = [entry.path for entry in made.model.machine.tree.walk() if entry.path.startswith(f"{HOME}/")]
    assert kept
    assert all(path.startswith(f"{HOME}/set-aside") for path in kept)
    assert any(path.endswith("member/objects.json") for path in kept)


def test_what_etcd_held_is_given_up_last(tmp_path: Path) -> None:
    made = Made(tmp_path)
    (point,) = made.plan.points_of_no_return()
    assert point.id == f"{MACHINE.name}/undo/etcd/data"
    assert made.plan.order[-1] == point.id
    assert nx.ancestors(made.plan.graph, point.id) == set(made.plan.by_id) - {point.id}


@cuts
@given(where=st.floats(0, 1, exclude_min=True), moment=st.sampled_from(["before", "middle", "after"]))
def test_cut_anywhere_it_can_be_finished(tmp_path: Path, total: int, where: float, moment: Any) -> None:
    made = Made(tmp_path)
    made.cut(moment, max(1, round(where * total)))
    made.forward(attempt=2)
    assert state_of(made.model) == made.bare


@cuts
@given(where=st.floats(0, 1, exclude_min=True), moment=st.sampled_from(["before", "middle", "after"]))
def test_cut_before_what_etcd_held_is_given_up_the_cluster_comes_back(
    tmp_path: Path, total: int, where: float, moment: Any
) -> None:
    made = Made(tmp_path)
    made.cut(moment, max(1, round(where * total)))
    if made.past_return:
        return
    back(made.model, made.plan, tmp_path, NOW, made.begun)
    assert made.model.api
    assert "proved" in made.model.objects()
    assert state_of(made.model)[1] == made.made[1]
