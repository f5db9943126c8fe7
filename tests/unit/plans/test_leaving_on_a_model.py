"""Machines leave a cluster on models of their hosts: in whatever order the plan allows, cut anywhere, taken back."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import NotYet
from klusterkit.engine.host import HOME
from klusterkit.engine.journal import Journal
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord
from klusterkit.plans.delete import compile_delete
from klusterkit.plans.deletion import DeleteRequest, DrainOptions, Leaving
from klusterkit.plans.reference import CLUSTER, HIGHLY_AVAILABLE, MACHINE, facts_of, master, worker
from klusterkit.session.ending import clear
from klusterkit.tasks.membership import Spared
from tests.unit.engine.bench import MemoryStore
from tests.unit.plans.host_model import ClusterModel, alone
from tests.unit.plans.supplies import reference_plan
from tests.unit.plans.test_many_machines_on_a_model import all_states, any_order, model_of, plan_for, works
from tests.unit.plans.walking import State, Walk, changes, state_of

some = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
seeds = st.integers(0, 2**32)
moments = st.sampled_from(["before", "middle", "after"])
places = st.floats(0, 1, exclude_min=True)


def named(machine: Machine) -> Machine:
    """As the state has it once it is made."""
    return machine.replace(node_name=facts_of(machine).hostname, **({"interface": "eth0"} if machine.is_master else {}))


M1, M2, M3 = (named(master(f"10.0.0.{number}")) for number in (5, 6, 7))
W1, W2 = (named(worker(f"10.0.0.{number}")) for number in (8, 9))
ALL = (M1, M2, M3, W1, W2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@dataclass(frozen=True)
class Made:
    """Hosts as they were before a cluster came to them, and as it left them."""

    bare: State
    records: dict[str, HostRecord]
    hosts: dict[str, Any]
    seats: list[Any]


@cache
def made(folder: Path) -> Made:
    model = model_of(ALL)
    bare = all_states(model)
    creation = Walk(plan_for(ALL), model, folder)
    creation.forward()
    hosts = {name: (host.machine.snapshot(), copy.deepcopy(host.containers)) for name, host in model.hosts.items()}
    return Made(bare, creation.records(), hosts, [*model.etcd.seats])


class Site:
    """A cluster of three masters and two workers that works, and the hosts as they were before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = model_of(ALL)
        for name, host in self.model.hosts.items():
            machine, containers = made(folder).hosts[name]
            host.machine.restore(machine)
            host.containers = copy.deepcopy(containers)
        self.model.etcd.seats = [*made(folder).seats]
        self.bare, self.records = made(folder).bare, made(folder).records

    def leave(self, *leaving: Machine, gone: Iterable[Machine] = (), **options: Any) -> Walk:
        """The run in which machines leave. Those that are gone are switched off, and stay so."""
        for machine in gone:
            self.model[machine.name].machine.power_off()
        staying = [machine for machine in ALL if machine not in (*leaving, *gone)]
        request = DeleteRequest(
            cluster=HIGHLY_AVAILABLE,
            leaving=(
                *(Leaving(machine=machine, record=self.records[machine.name]) for machine in leaving),
                *(Leaving(machine=machine) for machine in gone),
            ),
            staying=tuple(staying),
            asked_on=next((machine.name for machine in staying if machine.is_master), None),
            lineage="l",
            serial=2,
            **options,
        )
        return Walk(compile_delete(request).checked(), self.model, self.folder, run="r2")

    def is_bare(self, machine: Machine) -> bool:
        return state_of(self.model[machine.name]) == self.bare[machine.name]

    def goes_on_with(self, *machines: Machine) -> bool:
        return works(self.model, machines)


@some
@given(seed=seeds)
def test_a_worker_leaves_and_its_host_is_what_it_was(folder: Path, seed: int) -> None:
    site = Site(folder)
    run = site.leave(W1)
    assert run.plan.points_of_no_return() == []
    run.forward(order=any_order(run.plan, seed))
    assert site.is_bare(W1)
    assert site.goes_on_with(M1, M2, M3, W2)


@some
@given(seed=seeds)
def test_a_master_leaves_in_order(folder: Path, seed: int) -> None:
    site = Site(folder)
    run = site.leave(M1)
    run.forward(order=any_order(run.plan, seed))
    assert site.is_bare(M1)
    assert site.goes_on_with(M2, M3, W1, W2)
    assert site.model.etcd.changes[-2:] == [f"lead https://{M2.address}:2380", f"remove https://{M1.address}:2380"]
    for machine in (M2, M3):
        peers = site.model[machine.name].machine.tree.read("/etc/keepalived/keepalived.conf").decode()
        assert str(M1.address) not in peers


@some
@given(seed=seeds)
def test_a_master_that_is_gone_leaves_its_vote_and_its_node(folder: Path, seed: int) -> None:
    site = Site(folder)
    run = site.leave(gone=[M3])
    assert M3.name not in run.plan.hosts
    run.forward(order=any_order(run.plan, seed))
    assert site.goes_on_with(M1, M2, W1, W2)


@some
@given(seed=seeds)
def test_several_leave_at_once_and_the_vote_of_the_gone_one_first(folder: Path, seed: int) -> None:
    site = Site(folder)
    run = site.leave(M2, W2, gone=[M3])
    run.forward(order=any_order(run.plan, seed))
    assert site.is_bare(M2)
    assert site.is_bare(W2)
    assert site.goes_on_with(M1, W1)
    removed = [change for change in site.model.etcd.changes if change.startswith("remove")]
    assert removed == [f"remove https://{machine.address}:2380" for machine in (M3, M2)]


def waiting_for_m3(folder: Path) -> tuple[Site, Walk]:
    """M2 leaves, and has got as far as it can without the others' M3, which has just gone."""
    site = Site(folder)
    run = site.leave(M2)
    site.model[M3.name].machine.power_off()
    order = [task for task in run.plan.order if not task.startswith(M3.name)]
    with pytest.raises(NotYet, match="spare 1 of its votes") as caught:
        run.forward(order=order)
    assert "1 of 2 members of etcd would work" in str(caught.value.seen)
    assert len(site.model.etcd.seats) == 3
    site.model[M3.name].machine.power_on()
    return site, run


def test_a_vote_that_the_others_need_stays_until_they_are_back(folder: Path) -> None:
    site, run = waiting_for_m3(folder)
    run.forward(attempt=2)
    assert site.goes_on_with(M1, M3, W1, W2)


def test_a_run_that_waits_for_the_others_can_still_be_taken_back(folder: Path) -> None:
    site, run = waiting_for_m3(folder)
    assert not any(task.id in run.begun for task in run.plan.points_of_no_return())
    run.back()
    assert site.goes_on_with(*ALL)


def test_before_the_first_vote_goes_all_that_go_are_seen_to_be_spared(folder: Path) -> None:
    plan = Site(folder).leave(M2, gone=[M3]).plan
    (gate,) = (task for task in plan.tasks if isinstance(task.step, Spared))
    assert gate.step.leaving == (f"https://{M3.address}:2380", f"https://{M2.address}:2380")
    assert all(gate.id in nx.ancestors(plan.graph, vote.id) for vote in plan.points_of_no_return())


def test_until_the_first_vote_goes_all_of_it_can_be_undone(folder: Path) -> None:
    plan = Site(folder).leave(M2, W1).plan
    (vote,) = plan.points_of_no_return()
    before = nx.ancestors(plan.graph, vote.id)
    titles = {plan.by_id[name].step.title for name in before}
    assert {"drain the node h6", "drain the node h8", "take back: enable and start keepalived.service"} <= titles
    assert not any("etcd" in title or "kubelet.service" in title for title in titles if "take back" in title)


# Cut ------------------------------------------------------------------------------------------------------------------


@cache
def total(host: str, leaving: str, folder: Path) -> int:
    site = Site(folder)
    already = changes(site.model[host])
    site.leave(next(machine for machine in ALL if machine.name == leaving)).forward()
    return changes(site.model[host]) - already


def cut(folder: Path, leaving: Machine, host: str, moment: Any, where: float) -> tuple[Site, Walk, State, Any]:
    site = Site(folder)
    before, objects = all_states(site.model), site.model.etcd.objects()
    run = site.leave(leaving)
    run.cut(host, moment, max(1, round(where * total(host, leaving.name, folder))))
    return site, run, before, objects


@some
@given(leaving=st.sampled_from([W1, M3]), moment=moments, where=places, elsewhere=st.booleans())
def test_cut_anywhere_it_can_be_finished(
    folder: Path, leaving: Machine, moment: Any, where: float, elsewhere: bool
) -> None:
    site, run, _, _ = cut(folder, leaving, M1.name if elsewhere else leaving.name, moment, where)
    run.forward(attempt=2)
    assert site.is_bare(leaving)
    assert site.goes_on_with(*(machine for machine in ALL if machine != leaving))


@some
@given(moment=moments, where=places, elsewhere=st.booleans())
def test_a_worker_that_was_cut_anywhere_on_its_way_out_comes_back(
    folder: Path, moment: Any, where: float, elsewhere: bool
) -> None:
    site, run, before, objects = cut(folder, W1, M1.name if elsewhere else W1.name, moment, where)
    run.back()
    assert site.goes_on_with(*ALL)
    assert site.model.etcd.objects() == objects
    assert all_states(site.model) == before


@some
@given(moment=moments, where=places)
def test_a_master_that_was_cut_before_its_vote_went_comes_back(folder: Path, moment: Any, where: float) -> None:
    site, run, before, objects = cut(folder, M3, M3.name, moment, where)
    if any(task.id in run.begun for task in run.plan.points_of_no_return()):
        return
    run.back()
    assert site.goes_on_with(*ALL)
    assert site.model.etcd.objects() == objects
    assert all_states(site.model) == before


# The end of a cluster -------------------------------------------------------------------------------------------------


def end_of(records: dict[str, Any], machines: Iterable[Machine], cluster: Cluster) -> Plan:
    leaving = tuple(Leaving(machine=machine, record=records[machine.name]) for machine in machines)
    return compile_delete(DeleteRequest(cluster=cluster, leaving=leaving, forget=True, lineage="l", serial=2)).checked()


@some
@given(seed=seeds)
def test_a_whole_cluster_ends_and_every_host_is_what_it_was(folder: Path, seed: int) -> None:
    site = Site(folder)
    plan = end_of(site.records, ALL, HIGHLY_AVAILABLE)
    Walk(plan, site.model, folder, run="r2").forward(order=any_order(plan, seed))
    assert all(site.is_bare(machine) for machine in ALL)
    clear(lambda name: site.model[name].host, Journal.open(MemoryStore(), plan, run="r2", who="somebody"))
    for machine in ALL:
        tree = site.model[machine.name].machine.tree
        kept = {entry.path for entry in tree.walk() if entry.path.startswith(f"{HOME}/") and entry.type == "file"}
        assert all("/set-aside/" in path for path in kept)
        assert bool(kept) == machine.is_master, "what etcd held is kept, and nothing else"


def test_what_etcd_holds_is_given_up_when_all_else_is_done(folder: Path) -> None:
    plan = end_of(Site(folder).records, ALL, HIGHLY_AVAILABLE)
    points = [task.id for task in plan.points_of_no_return()]
    assert points == [f"{machine.name}/undo/etcd/data" for machine in (M1, M2, M3)]
    for point in points:
        assert nx.ancestors(plan.graph, point) == set(plan.by_id) - set(points)


def one_master(folder: Path) -> tuple[ClusterModel, Walk, State]:
    host = alone()
    bare = all_states(host.cluster)
    made = Walk(reference_plan(), host.cluster, folder)
    made.forward()
    machine = MACHINE.replace(node_name="m1")
    return host.cluster, Walk(end_of(made.records(), [machine], CLUSTER), host.cluster, folder, run="r2"), bare


def without_flannels(states: State) -> State:
    """What its pod brings to its host by itself, whenever it starts."""
    return {
        name: ([each for each in files if "flannel" not in each.path], units) for name, (files, units) in states.items()
    }


@cache
def total_of_one(folder: Path) -> int:
    model, run, _ = one_master(folder)
    already = changes(model[MACHINE.name])
    run.forward()
    return changes(model[MACHINE.name]) - already


@some
@given(moment=moments, where=places)
def test_an_end_that_was_cut_anywhere_can_be_finished_or_as_long_as_etcd_has_its_data_taken_back(
    folder: Path, moment: Any, where: float
) -> None:
    model, run, bare = one_master(folder)
    before = all_states(model)
    run.cut(MACHINE.name, moment, max(1, round(where * total_of_one(folder))))
    if any(task.id in run.begun for task in run.plan.points_of_no_return()):
        run.forward(attempt=2)
        assert all_states(model) == bare
    else:
        run.back()
        assert model[MACHINE.name].api
        assert without_flannels(all_states(model)) == without_flannels(before)


# What is told ---------------------------------------------------------------------------------------------------------


def test_without_draining_pods_end_with_their_host(folder: Path) -> None:
    plan = Site(folder).leave(W1, drain=DrainOptions(skip=True)).plan
    assert not any("drain" in task.step.title for task in plan.tasks)


def test_the_outcome_takes_what_has_left_out_of_the_state(folder: Path) -> None:
    site = Site(folder)
    assert site.leave(W1, gone=[M3]).plan.outcome == {"removed": {"machines": [W1.name, M3.name]}}
    assert site.leave(W1, keep_uploads=True).plan.outcome["removed"]["keep"] == ["artifacts"]
    end = end_of(site.records, ALL, HIGHLY_AVAILABLE).outcome
    assert end["cluster"] is None
    assert "ca.key" in end["removed"]["secrets"]
