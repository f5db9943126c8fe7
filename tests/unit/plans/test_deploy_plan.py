"""The plan that deploys an operator's objects: what needs what, what is waited for, and what belongs to the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from klusterkit.cluster import CNI
from klusterkit.engine.plan import Plan
from klusterkit.plans.deploy import DeployRequest, compile_deploy
from klusterkit.plans.owned import owned
from klusterkit.plans.reference import CLUSTER, FACTS
from klusterkit.tasks.deploying import Deploy
from klusterkit.tasks.readiness import KINDS


def step(version: str, kind: str, name: str, namespace: str = "", **more: Any) -> Deploy:
    where = {"namespace": namespace} if namespace else {}
    return Deploy(manifest={"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}, **more})


SPACE = step("v1", "Namespace", "web")
ELSEWHERE = step("v1", "ConfigMap", "other", "elsewhere")
ACCOUNT = step("v1", "ServiceAccount", "server", "web")
ROLE = step("rbac.authorization.k8s.io/v1", "ClusterRole", "reader")
SERVER = step("apps/v1", "Deployment", "server", "web")
HOOK = step("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "hook")
DEFINITION = step(
    *("apiextensions.k8s.io/v1", "CustomResourceDefinition", "backups.example.com"),
    spec={"group": "example.com", "names": {"kind": "Backup"}},
)
BACKUP = step("example.com/v1", "Backup", "nightly", "web")
ALL = (BACKUP, HOOK, SERVER, ELSEWHERE, ROLE, ACCOUNT, DEFINITION, SPACE)


def compiled(*objects: Deploy, wait: bool = True, **more: Any) -> Plan:
    waited = tuple(each.target for each in objects if each.target.type in KINDS) if wait else ()
    fields = {"waited": waited, "asked_on": "m1", "facts": FACTS, "lineage": "l", "serial": 1, **more}
    return compile_deploy(DeployRequest(operation="deploy web.yaml", objects=objects, **fields)).checked()


def needs(plan: Plan, each: Deploy) -> set[str]:
    return {need.removeprefix("m1/") for need in plan.by_id[f"m1/objects/{each.target.path}"].needs}


def test_objects_come_when_what_they_need_is_there_in_whatever_order_they_are_written() -> None:
    plan = compiled(*ALL)
    assert needs(plan, SPACE) == needs(plan, ELSEWHERE) == needs(plan, ROLE) == needs(plan, DEFINITION) == set()
    assert needs(plan, ACCOUNT) == {"objects/namespace/web"}
    assert needs(plan, SERVER) == {
        "objects/namespace/web",
        "objects/serviceaccount/web/server",
        "objects/clusterrole.rbac.authorization.k8s.io/reader",
    }


def test_what_pods_answer_comes_after_them_and_so_goes_before_them() -> None:
    server = "objects/deployment.apps/web/server"
    plan = compiled(*ALL)
    assert needs(plan, HOOK) == {server}
    assert needs(plan, BACKUP) == {
        *("objects/namespace/web", server),
        "ready/customresourcedefinition.apiextensions.k8s.io/backups.example.com",
    }


def test_objects_of_a_kind_that_is_there_need_no_definition() -> None:
    assert needs(compiled(BACKUP, SERVER), BACKUP) == set()


def test_each_workload_is_waited_for_once_and_its_time_is_the_operators() -> None:
    plan = compiled(*ALL, within=42.0)
    gate = plan.by_id["m1/ready/deployment.apps/web/server"]
    assert (gate.timeout, gate.retry.attempts) == (42.0, 1)
    assert gate.needs == ("m1/objects/deployment.apps/web/server",)


def test_who_does_not_wait_still_waits_for_kinds_that_objects_need() -> None:
    ids = compiled(*ALL, wait=False).by_id
    assert [name for name in ids if "/ready/" in name] == [
        "m1/ready/customresourcedefinition.apiextensions.k8s.io/backups.example.com"
    ]


def test_what_is_there_already_can_be_waited_for_alone() -> None:
    plan = compiled(waited=(SERVER.target,))
    assert [(task.id, task.needs) for task in plan.tasks] == [("m1/ready/deployment.apps/web/server", ())]


def test_nothing_to_apply_and_nothing_to_wait_for_is_nothing_to_do() -> None:
    assert compiled().empty


def test_kinds_of_the_same_name_in_two_groups_are_two_objects() -> None:
    both = (step("networking.k8s.io/v1", "Ingress", "a", "web"), step("example.com/v1", "Ingress", "a", "web"))
    assert len(compiled(*both).by_id) == 2


@pytest.mark.parametrize(
    "each",
    [
        ("configmap", "kube-system", "coredns"),
        ("clusterrole", "", "system:coredns"),
        ("daemonset", "kube-system", "kube-proxy"),
        ("daemonset", "kube-flannel", "kube-flannel-ds"),
        ("namespace", "", "kube-flannel"),
        ("clusterrolebinding", "", "kubeadm:cluster-admins"),
        ("configmap", "kube-system", "kubeadm-config"),
    ],
)
def test_what_the_clusters_own_plans_make_is_its_own(each: tuple[str, str, str]) -> None:
    assert each in owned(CLUSTER)


def test_the_network_that_a_cluster_was_described_with_is_its_own_too() -> None:
    listed = (
        "apiVersion: v1\nkind: List\nitems: [{kind: ConfigMap, metadata: {name: a, namespace: own}}, {kind: Pod}]\n"
    )
    text = f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: own\n---\n{listed}"
    own = owned(CLUSTER.replace(cni=CNI.manifest(text)))
    assert {("namespace", "", "own"), ("configmap", "own", "a")} <= own
    assert ("namespace", "", "kube-flannel") not in own | owned(CLUSTER.replace(cni=CNI(kind="none")))
