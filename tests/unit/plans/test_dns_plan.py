"""What a new machine's plan does for cluster DNS: no host that dies may take all names along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from klusterkit.cluster import Machine, Taint
from klusterkit.plans.create import compile_create
from klusterkit.plans.reference import HIGHLY_AVAILABLE, facts_of, master
from klusterkit.tasks.files import TextFile
from tests.unit.plans.requests import node, request_for

GPU = Taint(key="example.com/gpu", effect="NoSchedule")


def needed_by_dns(*tainted: str, machines: Sequence[Machine], kept_off: Taint = GPU, **more: object) -> set[str]:
    coming = [each.replace(taints=[kept_off]) if each.name in tainted else each for each in machines]
    facts = {machine.name: facts_of(machine) for machine in coming}
    plan = compile_create(request_for(*coming, cluster=HIGHLY_AVAILABLE, facts=facts, **more))
    spread = next(task for task in plan.tasks if task.step.kind == "kubernetes.spread")
    return {need.partition("/node-")[2] for need in spread.needs if "/proof/node-" in need}


MASTERS, WORKERS = [master(f"10.0.0.{number}") for number in (5, 6, 7)], [node("10.0.0.8"), node("10.0.0.9")]


@pytest.mark.parametrize(
    ("tainted", "first"),
    [
        ([], {"h5", "h8"}),  # a worker is ready before the second master
        (["10.0.0.8"], {"h5", "h9"}),
        (["10.0.0.8", "10.0.0.9"], {"h5", "h6"}),
        (["10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8"], {"h5", "h6", "h7", "h8", "h9"}),  # it may run on one only
    ],
)
def test_cluster_dns_waits_for_no_more_nodes_than_it_needs(tainted: list[str], first: set[str]) -> None:
    assert needed_by_dns(*tainted, machines=[*MASTERS, *WORKERS]) == first


def test_cluster_dns_waits_for_a_node_that_the_scheduler_avoids_only_where_there_is_no_other() -> None:
    avoided = Taint(key="example.com/gpu", effect="PreferNoSchedule")
    machines = [MASTERS[0], *WORKERS]
    assert needed_by_dns("10.0.0.8", machines=machines, kept_off=avoided) == {"h5", "h9"}
    assert needed_by_dns("10.0.0.8", "10.0.0.9", machines=machines, kept_off=avoided) == {"h5", "h8"}


def test_kubeadm_is_told_that_cluster_dns_may_run_on_masters_of_ours() -> None:
    tasks = {task.id.partition("/")[2]: task.step for task in compile_create(request_for(MASTERS[0])).tasks}
    settings, patch = tasks["kubeadm/configuration"], tasks["kubeadm/patch-coredns"]
    assert isinstance(settings, TextFile)
    assert isinstance(patch, TextFile)
    first = next(yaml.safe_load_all(settings.content))
    assert str(Path(patch.path).parent) == first["patches"]["directory"]
    assert [each["value"] for each in json.loads(patch.content)] == first["nodeRegistration"]["taints"]


def test_in_a_cluster_that_is_there_cluster_dns_waits_for_one_of_those_that_come() -> None:
    there = MASTERS[0].replace(node_name="h5", interface="eth0")
    assert needed_by_dns(machines=[MASTERS[1], *WORKERS], existing=(there,)) == {"h8"}


def test_a_node_that_is_there_does_not_count_where_cluster_dns_may_not_run_on_it() -> None:
    kept_off = Taint(key="node-role.kubernetes.io/control-plane", effect="NoExecute")
    there = MASTERS[0].replace(node_name="h5", interface="eth0", taints=[kept_off])
    assert needed_by_dns(machines=[MASTERS[1], *WORKERS], existing=(there,)) == {"h8", "h9"}
