"""What `cctl get -o yaml` writes is edited and given back: what differs is found, and what can't change is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import yaml

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.plans.deletion import DrainOptions
from klusterkit.plans.reference import FACTS
from klusterkit.plans.relabel import RelabelRequest, compile_relabel
from klusterkit.session.catalogue import objects_of
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.machines import desired
from klusterkit.session.machines.applying import plan_objects
from klusterkit.session.machines.desired import Changes, changes, read_objects
from klusterkit.session.onlooker import Nobody
from klusterkit.tasks.files import TextFile
from klusterkit.tasks.nodemarks import NodeLabels, NodeTaints

Opened = Callable[[], AbstractContextManager[Hold]]
TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


class File:
    """All objects of a state, for somebody to edit."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        kinds = ("cluster", "machine", "credential")
        self.cluster, self.master, self.worker, self.credential = copy.deepcopy(
            [each for kind in kinds for each in objects_of(hold, kind)]
        )

    @property
    def text(self) -> str:
        items = [self.cluster, self.master, self.worker, self.credential]
        return yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [each for each in items if each]})

    def compared(self) -> Changes:
        return changes(self.hold, read_objects(self.text, "objects.yaml"))

    def refused(self) -> str:
        with pytest.raises(Refused) as refused:
            self.compared()
        return "\n".join(reason.message for reason in refused.value.reasons)


@pytest.fixture(name="file")
def _file(opened: Opened) -> Iterator[File]:
    with opened() as hold:
        yield File(hold)


def test_what_is_given_back_as_it_was_leaves_nothing_to_do(file: File) -> None:
    assert file.compared() == Changes((), (), ())
    assert plan_objects(file.hold, file.text, "objects.yaml", Nobody(), prune=True, drain=DrainOptions()).empty


def test_labels_taints_and_logins_that_differ_are_changes(file: File) -> None:
    file.worker["metadata"]["labels"]["disk"] = "nvme"
    file.worker["spec"]["taints"] = [TAINT]
    file.worker["metadata"]["annotations"]["klusterkit.io/ssh-port"] = "2222"
    ((before, after),) = file.compared().changed

    assert (before.labels, after.labels) == ({"disk": "ssd"}, {"disk": "nvme"})
    assert [str(taint) for taint in after.taints] == ["dedicated=db:NoSchedule"]
    assert (after.port, after.node_name, after.version) == (2222, before.node_name, before.version)


def test_a_machine_that_is_new_is_created_and_one_that_is_left_out_stays(file: File) -> None:
    file.worker = Machine.of(name="w2", address="10.0.0.7", roles="node").to_object()
    found = file.compared()

    assert [each.address for each in found.created] == ["10.0.0.7"]
    assert found.left_out == ("w1",)


def test_a_new_machine_keeps_what_the_file_says_of_its_login_and_its_node(file: File) -> None:
    file.worker = Machine.of(name="w2", address="10.0.0.7", roles="node", user="ubuntu", node_name="mynode").to_object()
    (created,) = file.compared().created

    made = created.machine(file.hold.the_cluster(), "root")
    assert (made.user, made.node_name) == ("ubuntu", "mynode")


def test_a_new_machine_of_another_cluster_or_version_is_refused_with_all_else(file: File) -> None:
    new = Machine.of(name="w2", address="10.0.0.7", roles="node", cluster="another")
    file.worker, file.master = (
        new.to_object(),
        new.replace(name="w3", cluster="cctl-cluster", version="1.37.2").to_object(),
    )
    said = file.refused()

    assert "machine/w2: it is a machine of the cluster another, and this one is cctl-cluster" in said
    assert "machine/w3: it is to have Kubernetes v1.37.2, and the cluster has v1.36.3" in said


def test_machines_do_not_come_and_go_in_one_plan(file: File) -> None:
    file.worker = Machine.of(name="w2", address="10.0.0.7", roles="node").to_object()
    with pytest.raises(UsageError, match="leaves out others: w1") as refused:
        plan_objects(file.hold, file.text, "objects.yaml", Nobody(), prune=True, drain=DrainOptions())
    assert "without --prune first" in str(refused.value.hint)


def test_who_is_left_out_without_prune_is_told(file: File) -> None:
    file.worker = {}
    assert plan_objects(file.hold, file.text, "objects.yaml", Nobody(), prune=False, drain=DrainOptions()).empty
    assert any("leaves out w1" in notice for notice in file.hold.notices)


def test_what_cannot_be_changed_is_refused_all_at_once_with_its_field(file: File) -> None:
    file.cluster["spec"]["clusterNetwork"]["pods"]["cidrBlocks"] = ["10.9.0.0/16"]
    file.cluster["metadata"]["annotations"]["klusterkit.io/kubernetes-version"] = "v1.37.2"
    file.master["status"]["addresses"][0]["address"] = "10.0.0.99"
    file.worker["metadata"]["annotations"]["klusterkit.io/roles"] = "master"
    file.worker["spec"]["version"] = "v1.37.2"
    file.credential["spec"]["user"] = "admin"
    said = file.refused()

    for field in (
        "cluster/cctl-cluster: spec.clusterNetwork.pods.cidrBlocks can't be changed from 192.168.0.0/16",
        "cluster/cctl-cluster: metadata.annotations.klusterkit.io/kubernetes-version",
        "machine/10.0.0.5: status.addresses",
        "machine/w1: metadata.annotations.klusterkit.io/roles can't be changed from node to master",
        "machine/w1: spec.version",
        "credential/ssh-credential: a credential can't be changed by a file",
    ):
        assert field in said


OTHER_CLUSTER: dict[str, dict[str, object]] = {
    "name": {"name": "another"},
    "pod_network": {"pod_network": "10.9.0.0/16"},
    "service_network": {"service_network": "10.8.0.0/16"},
    "dns_domain": {"dns_domain": "example.com"},
    "kubernetes_version": {"kubernetes_version": "v1.37.2"},
    "endpoint": {"endpoint": {"host": "10.0.0.77", "port": 6443}},
    "cni": {"cni": {"kind": "none"}},
    "vip": {"vip": {"address": "10.0.0.5", "router_id": 7}},
    "registry": {"registry": {"place": "registry.example/site"}},
}
"""By the fields of a cluster, another value."""

OTHER_MACHINE: dict[str, object] = {
    "address": "10.0.0.99",
    "roles": "master",
    "cluster": "another",
    "port": 2222,
    "user": "admin",
    "node_name": "another",
    "interface": "eth9",
    "version": "v1.37.2",
    "labels": {"disk": "nvme"},
    "taints": [TAINT],
}
"""By the fields of a machine, another value. Its name is what it is found by: another name is another machine."""


def test_there_is_another_value_for_every_field() -> None:
    assert OTHER_CLUSTER.keys() == Cluster.model_fields.keys()
    assert OTHER_MACHINE.keys() == Machine.model_fields.keys() - {"name"}


def test_every_field_either_can_be_changed_or_says_where_it_stands_and_why_it_cannot() -> None:
    """So that a new one is thought of."""
    assert desired.CLUSTER_FIXED.keys() == Cluster.model_fields.keys() - desired.CLUSTER_CHANGEABLE
    assert desired.MACHINE_FIXED.keys() == Machine.model_fields.keys() - desired.MACHINE_CHANGEABLE - {"name"}


@pytest.mark.parametrize("field", OTHER_CLUSTER)
def test_no_field_of_a_cluster_that_differs_is_passed_over(file: File, field: str) -> None:
    assert file.hold.cluster is not None
    file.cluster = file.hold.cluster.replace(**OTHER_CLUSTER[field]).to_object()
    path, why = desired.CLUSTER_FIXED[field]
    said = file.refused()
    assert f"cluster/{file.cluster['metadata']['name']}: {path} can't be changed" in said
    assert why in said


@pytest.mark.parametrize("field", OTHER_MACHINE)
def test_no_field_of_a_machine_that_differs_is_passed_over(file: File, field: str) -> None:
    other = next(each for each in file.hold.machines if each.name == "w1").replace(**{field: OTHER_MACHINE[field]})
    file.worker = other.to_object()
    if field in desired.MACHINE_CHANGEABLE:
        assert [after for _, after in file.compared().changed] == [other]
    else:
        assert f"machine/w1: {desired.MACHINE_FIXED[field][0]} can't be changed" in file.refused()


@pytest.mark.parametrize("note", ["registry", "registry-authority", "registry-account-secret"])
def test_what_a_cluster_says_of_its_registry_is_neither_changed_nor_removed_by_a_file(file: File, note: str) -> None:
    held = {"place": "registry.example/site", "authority": "PEM", "account": "registry.account"}
    assert file.hold.cluster is not None
    there = file.hold.cluster.replace(registry=held).to_object()
    file.hold.state.fold(file.hold.snapshot.model_copy(update={"cluster": there}))
    file.cluster = copy.deepcopy(there)
    assert file.compared() == Changes((), (), ())

    notes = file.cluster["metadata"]["annotations"]
    notes[f"klusterkit.io/{note}"] = "other.example"
    assert "klusterkit.io/registry can't be changed from registry.example/site (the authority" in file.refused()
    for each in [each for each in notes if each.startswith("klusterkit.io/registry")]:
        del notes[each]
    assert "klusterkit.io/registry can't be changed" in file.refused()
    assert "to none" in file.refused()


def test_what_nobody_would_keep_is_refused_with_its_path(file: File) -> None:
    file.worker["spec"]["providerID"] = "x"
    file.worker["metadata"]["annotations"]["example.com/owner"] = "me"
    said = file.refused()

    assert "machine/w1: spec.providerID is not known" in said
    assert "machine/w1: metadata.annotations.example.com/owner is not known" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no object in"),
        ("a: [", "it is not YAML"),
        ("apiVersion: apps/v1\nkind: Deployment", "of the kind 'Deployment'"),
        ("kind: Plan", "is a saved plan"),
        ("- 1", "of the kind None"),
    ],
)
def test_what_is_no_object_of_ours_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_objects(text, "objects.yaml")


def test_the_plan_changes_the_node_where_it_is_known_and_the_flags_for_the_day_when_it_registers_anew() -> None:
    before = Machine.of(name="w1", address="10.0.0.6", roles="node", node_name="w1", labels={"disk": "ssd", "old": "1"})
    after = before.replace(labels={"disk": "nvme"}, taints=[TAINT])
    facts: dict[str, Facts] = dict.fromkeys(("m1", "w1"), FACTS)
    request = RelabelRequest(changed=((before, after),), asked_on="m1", facts=facts, lineage="l", serial=1)
    plan = compile_relabel(request).checked()
    steps = {task.id: task.step for task in plan.tasks}

    assert steps["m1/labels/w1"] == NodeLabels(node="w1", labels={"disk": "nvme", "old": None})
    assert steps["m1/taints/w1"] == NodeTaints(node="w1", taints=("dedicated=db:NoSchedule",))
    flags = steps["w1/kubelet/flags"]
    assert isinstance(flags, TextFile)
    assert "--node-labels=disk=nvme --register-with-taints=dedicated=db:NoSchedule" in flags.content
    assert plan.outcome == {"machines": [after.to_object()]}


def test_a_login_alone_touches_no_host() -> None:
    before = Machine.of(name="w1", address="10.0.0.6", roles="node", node_name="w1")
    after = before.replace(port=2222)
    request = RelabelRequest(changed=((before, after),), asked_on="m1", facts={}, lineage="l", serial=1)
    plan = compile_relabel(request).checked()

    assert plan.tasks == ()
    assert not plan.empty
