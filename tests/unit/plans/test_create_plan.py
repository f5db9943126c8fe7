"""The plan that creates machines: the same for the same request, runnable, and what it promises."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from klusterkit.cluster import Machine, Role
from klusterkit.engine.errors import UsageError
from klusterkit.engine.plan import Plan
from klusterkit.engine.step import Undo
from klusterkit.plans.create import compile_create
from klusterkit.plans.reference import (
    FACTS,
    HIGHLY_AVAILABLE,
    MACHINE,
    PLANS,
    create_one_master,
    master,
)
from klusterkit.plans.request import CreateRequest, endpoint_of
from klusterkit.tasks.gates import NodeReady
from klusterkit.tasks.node import Registration
from tests.unit.plans.requests import node, request_for, requests

SECRETS = {
    *("ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd-ca.crt", "etcd-ca.key"),
    *("sa.key", "sa.pub"),
}
some = settings(max_examples=20, deadline=None)
FOLDER = Path(__file__).parents[3] / "plans"


@pytest.mark.parametrize("name", PLANS)
def test_the_reference_plan_is_what_is_compiled(name: str) -> None:
    """`.venv/bin/python -m klusterkit.plans.reference plans` writes it anew."""
    assert (FOLDER / f"{name}.yaml").read_text() == PLANS[name]().to_yaml()


@given(requests())
@some
def test_the_same_request_gives_the_same_plan(request: CreateRequest) -> None:
    again = CreateRequest.model_validate_json(request.model_dump_json())
    assert compile_create(request).digest == compile_create(again).digest


@given(requests())
@some
def test_every_plan_can_be_run_and_survives_a_file(request: CreateRequest) -> None:
    plan = compile_create(request).checked()
    assert Plan.from_yaml(plan.to_yaml()) == plan


@given(requests())
@some
def test_no_plan_has_a_point_of_no_return(request: CreateRequest) -> None:
    assert compile_create(request).points_of_no_return() == []


@given(requests())
@some
def test_a_plan_names_secrets_that_the_state_has_and_holds_none(request: CreateRequest) -> None:
    plan = compile_create(request)
    text = plan.to_yaml()
    assert "-----BEGIN" not in text
    named = {task.step.secret for task in plan.tasks if task.step.kind == "file.secret"}  # type: ignore[attr-defined]
    assert named <= SECRETS


@given(requests())
@some
def test_keys_of_authorities_go_to_no_host(request: CreateRequest) -> None:
    for task in compile_create(request).tasks:
        assert getattr(task.step, "secret", "") not in ("ca.key", "front-proxy-ca.key", "etcd-ca.key")


@given(requests())
@some
def test_whatever_the_api_holds_goes_with_the_data_of_etcd_or_with_the_node_that_brought_it(
    request: CreateRequest,
) -> None:
    plan = compile_create(request)
    for task in plan.tasks:
        if task.step.undoing is Undo.CONTAINED:
            container = plan.by_id[task.undone_by or ""]
            if request.existing:
                assert isinstance(container.step, Registration)
                assert container.host == request.anchor
            else:
                assert container.id == f"{request.masters[0].name}/etcd/data"


@given(requests())
@some
def test_hosts_that_are_there_are_asked_and_told_and_nothing_else(request: CreateRequest) -> None:
    there = {machine.name for machine in request.existing}
    kinds = {task.step.kind for task in compile_create(request).tasks if task.host in there}
    assert kinds <= {
        *("gate.endpoint", "gate.node", "gate.service", "kubernetes.registration", "kubernetes.spread"),
        "systemd.reloaded-file",
    }


@given(requests())
@some
def test_a_node_leaves_the_api_when_its_pods_are_ended(request: CreateRequest) -> None:
    plan = compile_create(request)
    for machine in request.machines if request.existing else ():
        node = f"{request.anchor}/node/{request.facts[machine.name].hostname}"
        assert nx.has_path(plan.graph, node, f"{machine.name}/kubelet/pods")


@given(requests())
@some
def test_all_masters_know_of_one_that_comes_before_it_can_hold_the_address(request: CreateRequest) -> None:
    plan = compile_create(request)
    addresses = {str(machine.address) for machine in request.masters}
    for machine in request.masters if request.cluster.vip and any(m.is_master for m in request.machines) else ():
        comes = machine not in request.existing
        written = plan.by_id[f"{machine.name}/keepalived/{'configuration' if comes else 'peers'}"]
        text = written.step.content  # type: ignore[attr-defined]
        peers = text.partition("unicast_peer {")[2].partition("}")[0].split()
        assert set(peers) == (addresses - {str(machine.address)} or {"127.0.0.1"})
        starts = [task.id for task in plan.tasks if task.id.endswith("keepalived/start")]
        assert comes or all(nx.has_path(plan.graph, written.id, start) for start in starts)


@given(requests())
@some
def test_etcd_gets_one_member_after_the_other_and_each_knows_those_before(request: CreateRequest) -> None:
    plan = compile_create(request)
    new = [machine.name for machine in request.machines if machine.is_master]
    known = len(request.masters) - len(new)
    for number, name in enumerate(new):
        said = yaml.safe_load(plan.by_id[f"{name}/etcd/configuration"].step.content)  # type: ignore[attr-defined]
        assert len(said["initial-cluster"].split(",")) == known + number + 1
        assert said["initial-cluster-state"] == ("existing" if known + number else "new")
        for before in new[:number]:
            assert nx.has_path(plan.graph, f"{before}/etcd/healthy", f"{name}/etcd/join")


@given(requests(most_workers=6))
@some
def test_no_more_workers_come_up_at_once_than_wanted_and_none_needs_the_one_before(request: CreateRequest) -> None:
    plan, at_once = compile_create(request), request.options.joins
    gates = {task.step.node: task.id for task in plan.tasks if isinstance(task.step, NodeReady)}
    workers = [machine.name for machine in request.machines if not machine.is_master]
    ready = [gates[request.facts[name].hostname] for name in workers]
    for number, name in enumerate(workers):
        waits = ready[number - at_once : number - at_once + 1] if at_once and number >= at_once else []
        assert list(plan.by_id[f"{name}/kubelet/start"].after) == waits


@given(requests(most_workers=9), st.integers(1, 12))
@some
def test_workers_that_come_up_form_as_many_chains_as_may_at_once(request: CreateRequest, at_once: int) -> None:
    """Which is Dilworth's way to say that at most so many come up at any time, whatever each of them takes."""
    options = request.options.model_copy(update={"joins": at_once})
    plan = compile_create(request.model_copy(update={"options": options}))
    workers = [machine.name for machine in request.machines if not machine.is_master]
    gates = {task.step.node: task.id for task in plan.tasks if isinstance(task.step, NodeReady)}
    over = {name: gates[request.facts[name].hostname] for name in workers}

    waiting = plan.graph.copy()
    waiting.add_edges_from((earlier, task.id) for task in plan.tasks for earlier in task.after)
    before: nx.Graph[tuple[str, str]] = nx.Graph()
    before.add_nodes_from((end, name) for name in workers for end in ("over", "begun"))
    for name in workers:
        started = nx.ancestors(waiting, f"{name}/kubelet/start")
        before.add_edges_from((("over", other), ("begun", name)) for other in workers if over[other] in started)

    followed = nx.bipartite.maximum_matching(before, [("over", name) for name in workers])
    assert len(workers) - len(followed) // 2 == min(at_once, len(workers))


@given(requests())
@some
def test_all_masters_have_the_same_cluster_configuration(request: CreateRequest) -> None:
    plan = compile_create(request)
    texts = [task.step.content for task in plan.tasks if task.id.endswith("/kubeadm/configuration")]  # type: ignore[attr-defined]
    parts = {next(part for part in text.split("---\n") if "kind: ClusterConfiguration" in part) for text in texts}
    assert len(parts) <= 1


@given(requests())
@some
def test_what_serves_clients_is_found_at_the_endpoint_and_what_serves_a_master_beside_it(
    request: CreateRequest,
) -> None:
    plan = compile_create(request)
    for machine in request.machines:
        server = plan.by_id[f"{machine.name}/kubeconfig/kubelet"].step.server  # type: ignore[attr-defined]
        beside = f"https://{machine.address}:6443"
        assert server == (beside if machine.is_master else endpoint_of(request).url)


@given(requests())
@some
def test_pods_are_ended_after_the_kubelet_and_before_all_that_they_use_when_going_back(request: CreateRequest) -> None:
    plan = compile_create(request)
    for machine in request.machines:
        host = machine.name
        pods = nx.ancestors(plan.graph, f"{host}/kubelet/pods")
        assert nx.ancestors(plan.graph, f"{host}/kubelet/start") == {*pods, f"{host}/kubelet/pods"}
        assert pods >= {f"{host}/containerd/start", f"{host}/network/baseline", f"{host}/images/pause"}
        assert not machine.is_master or f"{host}/etcd/start" in pods


@given(requests())
@some
def test_folders_are_taken_back_only_when_no_pod_can_fill_them_again(request: CreateRequest) -> None:
    plan = compile_create(request)
    for machine in request.machines:
        before = nx.ancestors(plan.graph, f"{machine.name}/kubelet/start")
        kinds = ("file.tree", "file.directory")
        own = [task for task in plan.tasks if task.host == machine.name and task.step.kind in kinds]
        folders = {task.id for task in own if "/keepalived/" not in task.id}
        assert folders <= before


@given(requests())
@some
def test_nothing_is_changed_on_a_host_before_it_was_looked_at(request: CreateRequest) -> None:
    plan = compile_create(request)
    there = {machine.name for machine in request.existing}
    for task in (task for task in plan.tasks if task.host not in there):
        first = f"{task.host}/preflight"
        assert task.id == first or first in nx.ancestors(plan.graph, task.id)


@given(requests())
@some
def test_every_node_is_proved_unless_it_has_no_network(request: CreateRequest) -> None:
    plan = compile_create(request)
    master = request.anchor or request.masters[0].name
    for machine in request.machines:
        name = request.facts[machine.name].hostname
        waits = plan.by_id[f"{master}/proof/node-{name}"]
        proved = f"{master}/proof/service-{name}" in plan.by_id
        assert proved == (request.cluster.cni.kind != "none")
        assert ("Ready comes" in waits.step.title or "gets Ready with" in waits.step.title) != proved


@given(requests())
@some
def test_what_a_host_cannot_do_is_not_asked_of_it(request: CreateRequest) -> None:
    plan = compile_create(request)
    for machine in request.machines:
        found = request.facts[machine.name]
        units = "\n".join(
            task.step.content  # type: ignore[attr-defined]
            for task in plan.tasks
            if task.host == machine.name and task.step.kind == "systemd.unit"
        )
        assert ("OOMScoreAdjust" in units) == found.can_lower_oom_score
        kubelet = yaml.safe_load(plan.by_id[f"{machine.name}/kubelet/configuration"].step.content)  # type: ignore[attr-defined]
        assert kubelet["cgroupDriver"] == ("cgroupfs" if found.cgroup == 1 else "systemd")
        assert kubelet.get("failCgroupV1", True) == (found.cgroup != 1)
        runtime = plan.by_id[f"{machine.name}/containerd/configuration"].step.content  # type: ignore[attr-defined]
        assert f"SystemdCgroup = {'false' if found.cgroup == 1 else 'true'}" in runtime
        assert f"restrict_oom_score_adj = {'false' if found.can_lower_oom_score else 'true'}" in runtime


@given(requests())
@some
def test_dns_forwards_only_where_every_host_has_name_servers(request: CreateRequest) -> None:
    assume(not request.existing)
    plan = compile_create(request)
    manifest = plan.by_id[f"{request.masters[0].name}/dns/configuration"].step.manifest  # type: ignore[attr-defined]
    assert ("forward" in manifest) == all(found.name_servers for found in request.facts.values())


def test_a_cluster_without_name_servers_has_no_forward() -> None:
    silent = FACTS.model_copy(update={"name_servers": ()})
    plan = compile_create(request_for(MACHINE, facts={MACHINE.name: silent}))
    manifest = yaml.safe_load(plan.by_id[f"{MACHINE.name}/dns/configuration"].step.manifest)  # type: ignore[attr-defined]
    assert "forward" not in manifest["data"]["Corefile"]
    assert "kubernetes cluster.local" in manifest["data"]["Corefile"]


def test_a_taint_of_the_operators_takes_the_place_of_the_default() -> None:
    tainted = Machine.of(**{**dict(MACHINE), "taints": ({"key": "dedicated", "effect": "NoSchedule"},)})
    text = compile_create(request_for(tainted)).by_id[f"{MACHINE.name}/kubeadm/configuration"].step.content  # type: ignore[attr-defined]
    assert "dedicated" in text
    assert "PreferNoSchedule" not in text


def test_the_outcome_says_where_the_api_is_and_what_nodes_are_called() -> None:
    outcome = create_one_master().outcome
    assert outcome["cluster"]["spec"]["controlPlaneEndpoint"] == {"host": "10.0.0.5", "port": 6443}
    assert outcome["machines"][0]["status"]["nodeRef"]["name"] == "m1"


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (request_for(MACHINE, master("10.0.0.6")), "no virtual address"),
        (request_for(master("10.0.0.6"), existing=(MACHINE,)), "no virtual address"),
        (request_for(*(master(f"10.0.0.{n}") for n in range(1, 9)), cluster=HIGHLY_AVAILABLE), "more than 7"),
        (request_for(node("10.0.0.6")), "has no master"),
        (request_for(node("10.0.0.5"), existing=(MACHINE,)), "the same address"),
        (request_for(node("10.0.0.6"), existing=(MACHINE.replace(node_name="m0"),)), "the same node name"),
        (request_for(MACHINE, Machine.of(name="b", address="10.0.0.5", roles=Role.NODE)), "the same address"),
        (request_for(MACHINE, artifacts={}), "no artifact for"),
    ],
)
def test_what_cannot_be_created_is_refused_in_words(request_: CreateRequest, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        compile_create(request_)
    assert caught.value.hint


@pytest.mark.parametrize(("field", "what"), [("hostname", "node name"), ("machine_id", "machine-id")])
def test_hosts_that_were_cloned_are_refused(field: str, what: str) -> None:
    request = request_for(MACHINE, node("10.0.0.6"))
    alike = {name: found.model_copy(update={field: "same"}) for name, found in request.facts.items()}
    with pytest.raises(UsageError, match=f"the same {what}"):
        compile_create(request.model_copy(update={"facts": alike}))


def test_the_garbage_collector_is_left_as_it_was() -> None:
    import gc

    create_one_master()
    assert gc.isenabled()
