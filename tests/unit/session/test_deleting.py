"""Before machines leave: who is there, who stays and can spare them; and all that is in the way, at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import networkx as nx
import pytest

from klusterkit.cluster.cluster import CLUSTER_NAME
from klusterkit.engine.errors import HostUnreachable, UsageError
from klusterkit.engine.host import Host
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import PLACE
from klusterkit.engine.step import Context, Undo
from klusterkit.hosts.errors import StaleState
from klusterkit.hosts.fence import FENCE, Fence
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.plans.deletion import DrainOptions
from klusterkit.session.connect import QUESTION
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.machines import delete, sparing
from klusterkit.session.machines.delete import Wanted, plan_delete
from klusterkit.session.running.records import UNSEALED
from klusterkit.tasks.kubectl import KUBECTL
from klusterkit.tasks.leaving import Gone, Pod
from tests.simulation.real.following import Next
from tests.simulation.real.worlds import THREE_MASTERS
from tests.support.posix import said as refusing
from tests.unit.session.conftest import Opened

Deleting = Callable[..., Plan]
ALL = M1, M2, M3, W1, W2 = [f"10.0.0.{number}" for number in range(5, 10)]
"""Machines by their names: masters and workers."""


class Site:
    """A cluster that works, and its hosts."""

    def __init__(self) -> None:
        world = Next(THREE_MASTERS)
        self.cluster, self.machines = world.cluster, world.machines
        self.model = world.hosts()
        nodes = self.model.nodes.items()
        self.hosts = {name: SimulatedHost(name, machine=node.machine, question=QUESTION) for name, node in nodes}
        for host in self.hosts.values():
            host.remove(FENCE)  # it was another state's


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def hold(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> Generator[Hold]:
    """The state of the site's cluster, and its hosts at the end of every connection."""

    @contextmanager
    def fleet(_: Hold, __: Sequence[Any]) -> Generator[dict[str, Any]]:
        yield site.hosts

    monkeypatch.setattr(delete, "fleet_for_machines", fleet)
    with opened() as held:
        machines = [machine.to_object() for machine in site.machines]
        objects = {"cluster": site.cluster.to_object(), "machines": machines}
        held.state.fold(held.snapshot.model_copy(update=objects))
        for host in site.hosts.values():
            held.records.write(host, UNSEALED.read(host))
        yield held


@pytest.fixture
def deleting(hold: Hold) -> Deleting:
    """Plans a deletion of machines, or with none named of all."""
    return lambda *machines, **options: plan_delete(hold, Wanted(machines=machines, **options))


def reasons(refused: Any) -> dict[str, str]:
    return {str(reason.host): f"{reason.message}: {reason.seen}" for reason in refused.value.reasons}


def cut_off(site: Site, name: str) -> None:
    """Its link to us is gone, and nothing else."""
    site.hosts[name].faults.fail(lambda _: True, HostUnreachable(f"{name} doesn't answer", host=name), times=10**6)


def test_a_word_that_is_one_machines_name_and_anothers_address_is_refused_with_what_to_say(
    site: Site, hold: Hold, deleting: Deleting
) -> None:
    at = {W1: {"address": "10.0.0.88"}, W2: {"name": "w2", "address": W1}}
    moved = [each.replace(**at.get(each.name, {})) for each in site.machines]
    hold.state.fold(hold.snapshot.model_copy(update={"machines": [each.to_object() for each in moved]}))
    with pytest.raises(UsageError, match=f"{W1} means 2 machines") as refused:
        deleting(W1)
    assert refused.value.hint == "say 10.0.0.88 or w2"
    assert f"{W1} at 10.0.0.88; w2 at {W1}" in str(refused.value.seen)
    assert deleting("10.0.0.88").outcome["removed"]["machines"] == [W1]


def test_machines_are_named_by_name_or_address_or_not_at_all_for_all(
    site: Site, hold: Hold, deleting: Deleting
) -> None:
    assert deleting(W1).outcome["removed"]["machines"] == [W1]
    moved = [each.replace(address="10.0.0.88") if each.name == W1 else each for each in site.machines]
    hold.state.fold(hold.snapshot.model_copy(update={"machines": [each.to_object() for each in moved]}))
    assert deleting("10.0.0.88").outcome["removed"]["machines"] == [W1]
    everything = deleting(confirm=CLUSTER_NAME)
    assert everything.operation == "delete cluster"
    assert everything.outcome["removed"]["machines"] == ALL


def test_a_machine_may_be_named_by_its_node(site: Site, deleting: Deleting) -> None:
    node = next(machine.node_name for machine in site.machines if machine.name == W1)
    assert node not in (None, W1)
    assert deleting(str(node)).outcome["removed"]["machines"] == [W1]


def test_a_machine_that_is_not_there_is_named(hold: Hold) -> None:
    with pytest.raises(UsageError, match=r"no machine 10\.0\.0\.99"):
        plan_delete(hold, Wanted(machines=(W1, "10.0.0.99")))


def test_the_plan_is_for_the_hosts_as_they_are(deleting: Deleting) -> None:
    assert set(deleting(W1).facts) == {W1, M1}
    assert set(deleting(M1, W1).facts) == {M1, W1, M2}


def test_a_state_that_any_master_knows_to_be_old_is_refused_whichever_is_asked(
    site: Site, hold: Hold, deleting: Deleting
) -> None:
    later = Fence(lineage=hold.snapshot.lineage, serial=99, who="somebody", when=0.0, run="later")
    site.hosts[M2].write(later.file())
    with pytest.raises(StaleState, match=f"older than what {M2} has seen"):
        deleting(W1)


# Gone for good --------------------------------------------------------------------------------------------------------


def test_hosts_that_dont_answer_are_told_together_with_what_to_do(site: Site, deleting: Deleting) -> None:
    for machine in (W1, W2):
        site.model.switch_off(machine)
    with pytest.raises(Refused, match="nothing was changed") as caught:
        deleting(M3, W1, W2)
    assert set(reasons(caught)) == {W1, W2}
    assert all("--gone" in str(reason.hint) for reason in caught.value.reasons)


def test_what_is_gone_for_good_must_not_come_back(site: Site, hold: Hold, deleting: Deleting) -> None:
    site.model.switch_off(M3)
    plan = deleting(M3, gone=True)
    assert M3 not in plan.hosts
    assert any("must not come back" in notice for notice in hold.notices)
    assert any("2 voting members" in notice for notice in hold.notices)


def test_a_machine_that_comes_back_after_it_was_planned_to_be_left_behind_is_not(
    site: Site, deleting: Deleting
) -> None:
    site.model.switch_off(M3)
    plan = deleting(M3, gone=True)
    (gate,) = (task for task in plan.tasks if isinstance(task.step, Gone))
    on = Context(host=site.hosts[gate.host], run="r", task=gate.id)
    assert gate.step.observe(on).satisfied

    site.model.nodes[M3].power_on()
    site.model.settle()

    assert gate.step.observe(on).reason == "its etcd works"
    changing = [task for task in plan.tasks if task.step.undoing is not Undo.NOTHING]
    assert changing
    assert all(gate.id in nx.ancestors(plan.graph, task.id) for task in changing)


def test_a_host_that_only_we_cant_reach_isnt_gone(site: Site, deleting: Deleting) -> None:
    for machine in (M3, W1):
        cut_off(site, machine)
    with pytest.raises(Refused, match="can't be spared") as caught:
        deleting(M3, W1, gone=True)
    said = reasons(caught)
    assert "its etcd works" in said[M3]
    assert "its node is Ready" in said[W1]


def test_a_cluster_does_not_end_while_masters_that_only_we_cant_reach_still_run_it(
    site: Site, deleting: Deleting
) -> None:
    for machine in (M2, M3):
        cut_off(site, machine)
    with pytest.raises(Refused, match="can't be left behind") as caught:
        deleting(gone=True, confirm=CLUSTER_NAME)
    assert {name: "its etcd works" in said for name, said in reasons(caught).items()} == {M2: True, M3: True}

    for machine in (M2, M3):
        site.model.switch_off(machine)
    site.model.settle()
    assert M2 not in deleting(gone=True, confirm=CLUSTER_NAME).hosts


def test_a_cluster_does_not_end_while_one_master_hears_of_a_machine_that_we_cant_reach(
    site: Site, deleting: Deleting
) -> None:
    cut_off(site, W1)
    site.hosts[M1].program(KUBECTL, lambda *_: refusing(1, err="connection refused"))
    with pytest.raises(Refused, match="can't be left behind") as caught:
        deleting(gone=True, confirm=CLUSTER_NAME)
    assert "its node is Ready" in reasons(caught)[W1]


def test_a_cluster_whose_api_answers_on_no_master_can_be_ended(site: Site, deleting: Deleting) -> None:
    cut_off(site, W1)
    for master in (M1, M2, M3):
        site.hosts[master].program(KUBECTL, lambda *_: refusing(1, err="connection refused"))
    assert W1 not in deleting(gone=True, confirm=CLUSTER_NAME).hosts


def test_a_host_whose_record_is_gone_cant_be_taken_back(site: Site, deleting: Deleting) -> None:
    site.hosts[W1].machine.tree.remove(PLACE)
    with pytest.raises(Refused) as caught:
        deleting(W1)
    assert PLACE in reasons(caught)[W1]


# The end of a cluster -------------------------------------------------------------------------------------------------


def test_the_last_masters_take_more_than_a_yes(deleting: Deleting) -> None:
    for options in ({}, {"confirm": "another"}):
        with pytest.raises(UsageError, match="this ends the cluster") as caught:
            deleting(*ALL, **options)
        assert f"--confirm {CLUSTER_NAME}" in str(caught.value.hint)
    assert deleting(*ALL, confirm=CLUSTER_NAME).outcome["removed"]["machines"]


def test_machines_are_not_left_without_a_master(deleting: Deleting) -> None:
    with pytest.raises(UsageError, match="no master would be left") as caught:
        deleting(M1, M2, M3, W1, confirm=CLUSTER_NAME)
    assert caught.value.seen == W2


# What can't be spared -------------------------------------------------------------------------------------------------


def test_a_vote_that_the_others_need_is_refused_before_anything_begins(site: Site, deleting: Deleting) -> None:
    site.model.switch_off(M3)
    with pytest.raises(Refused, match="can't be spared") as caught:
        deleting(M2)
    said = reasons(caught)[M2]
    assert "1 of 2 members of etcd would work" in said
    assert "m3" in said


def test_with_the_dead_one_named_too_the_living_one_may_go(site: Site, deleting: Deleting) -> None:
    site.model.switch_off(M3)
    votes = [task.step.title for task in deleting(M2, M3, gone=True).tasks if task.irreversible]
    assert votes == ["take m3 out of etcd's members", "take m2 out of etcd's members"]


def test_a_master_that_stays_and_is_silent_is_told_later(site: Site, hold: Hold, deleting: Deleting) -> None:
    cut_off(site, M1)
    plan = deleting(M3)
    assert M1 not in plan.hosts
    assert any(M1 in notice and "the next change" in notice for notice in hold.notices)


def test_where_no_master_that_stays_answers_nothing_is_planned(site: Site, deleting: Deleting) -> None:
    for machine in (M1, M2):
        site.model.switch_off(machine)
    with pytest.raises(Refused, match="can't be asked on any of its masters"):
        deleting(W1)


def pods(*found: Pod) -> Callable[[Host, str], list[Pod]]:
    return lambda *_: list(found)


ALONE = Pod("default/alone", "", "Running", static=False, empty_dir=True)
WEB = Pod("default/web", "ReplicaSet", "Running", static=False, empty_dir=True)
PROXY = Pod("kube-system/proxy", "DaemonSet", "Running", static=False, empty_dir=True)


def test_data_that_would_end_with_pods_stop_it_unless_that_is_wanted(
    hold: Hold, deleting: Deleting, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = replace(WEB, name="default/ended", phase="Succeeded")
    monkeypatch.setattr(sparing, "pods_on", pods(WEB, PROXY, ended))
    with pytest.raises(Refused) as caught:
        deleting(W1)
    assert reasons(caught) == {W1: "it has pods that keep data in an emptyDir: default/web"}
    assert "--drain-delete-local-data" in str(caught.value.reasons[0].hint)

    deleting(W1, drain=DrainOptions(local_data=True))
    assert hold.notices == [f"{W1}: pods that lose what they keep in an emptyDir: default/web"]


def test_pods_that_would_be_lost_stop_it_unless_that_is_wanted(
    hold: Hold, deleting: Deleting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparing, "pods_on", pods(ALONE, WEB))
    with pytest.raises(Refused) as caught:
        deleting(W1)
    assert "default/alone" in reasons(caught)[W1]
    deleting(W1, drain=DrainOptions(force=True, local_data=True))
    assert any("aren't made anew: default/alone" in notice for notice in hold.notices)
    deleting(W1, drain=DrainOptions(skip=True))
