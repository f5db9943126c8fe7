"""Machines leave a real cluster, living and dead, until none is left; each host is then what it was, byte for byte.

The demo's cluster of three masters and a worker gets smaller from test to test.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from tests.cluster.agreement import in_order
from tests.cluster.demo.conftest import MASTERS, WORKER
from tests.cluster.machines import Machines
from tests.support.operator import nodes_ready

pytestmark = pytest.mark.cluster

SHOP = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: shop
        image: docker.io/library/busybox:1.35
        command: [sh, -c, "trap 'exit 0' TERM; while true; do sleep 1; done"]
        volumeMounts: [{name: scratch, mountPath: /scratch}]
      volumes: [{name: scratch, emptyDir: {}}]
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [w1]}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec:
  maxUnavailable: 0
  selector: {matchLabels: {app: shop}}
"""
"""Two pods that rather are on the worker and keep data there, and a budget that lets none go."""
AGREED = "--drain-delete-local-data"
"""To the end of these data."""


def test_a_budget_that_lets_no_pod_go_is_respected_and_named_and_the_node_gets_its_pods_back(
    cluster: Machines, tmp_path: Path
) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP)
    cluster.kubectl("apply", "-f", str(tmp_path / "shop.yaml"))
    cluster.kubectl("rollout", "status", "deployment/shop", "--timeout=120s")

    assert "it has pods that keep data in an emptyDir" in cluster.delete(WORKER, rc=3)
    said = cluster.delete(WORKER, "--drain-timeout", "15s", AGREED, rc=6)

    assert "default/shop-" in said
    assert "PodDisruptionBudgets that let none go now: default/shop" in said
    assert "emptyDir: default/shop-" in said
    assert "SchedulingDisabled" in cluster.kubectl("get", "node", WORKER)
    assert len(cluster.kubectl("get", "pods", "-l", "app=shop", "-o", "name").split()) == 2

    cluster.operator("rollback", "--yes")

    assert "SchedulingDisabled" not in cluster.kubectl("get", "node", WORKER)
    assert WORKER in nodes_ready(cluster)


def test_a_worker_that_was_on_its_way_out_comes_back_as_it_was(cluster: Machines) -> None:
    cluster.kubectl("delete", "poddisruptionbudget", "shop")
    cluster.kubectl("label", "node", WORKER, "rack=7")
    leaving = ("delete", "machine", "--ip", cluster.lab.address(WORKER), AGREED)
    tasks = len(cluster.operator("plan", *leaving, "-o", "name").out.split())
    # Most tasks leave two records, one where they begin and one where they end: so many there are in any case.
    moment = random.Random(time.time_ns()).randrange(8, tasks * 3 // 2)
    print(f"killed after {moment} records")

    cluster.delete(WORKER, AGREED, rc=-9, crash_after=moment)
    cluster.operator("rollback", "--yes")
    cluster.kubectl("wait", "--for=condition=Ready", f"node/{WORKER}", "--timeout=120s")

    assert cluster.kubectl("get", "node", WORKER, "-o", "jsonpath={.metadata.labels.rack}") == "7"
    assert "SchedulingDisabled" not in cluster.kubectl("get", "node", WORKER)
    cluster.kubectl("rollout", "status", "deployment/shop", "--timeout=120s")


def test_a_worker_that_leaves_its_images_comes_back_with_labels_and_taints_and_gets_nothing_again(
    cluster: Machines,
) -> None:
    uploads = "find /var/lib/klusterkit/artifacts -type f -printf '%i %s %p\\n' | sort"
    cluster.delete(WORKER, AGREED, "--keep-images")
    kept = cluster.on(WORKER, uploads).splitlines()
    assert kept
    assert set(nodes_ready(cluster)) == set(MASTERS)

    own = ("--label", "rack=8", "--taint", "dedicated=shop:PreferNoSchedule")
    machine = ("--ip", cluster.lab.address(WORKER), "--role", "worker")
    cluster.cctl("create", "machine", *machine, *own, "--yes")

    assert cluster.on(WORKER, uploads).splitlines() == kept
    node = json.loads(cluster.kubectl("get", "node", WORKER, "-o", "json"))
    assert node["metadata"]["labels"]["rack"] == "8"
    assert {"key": "dedicated", "value": "shop", "effect": "PreferNoSchedule"} in node["spec"]["taints"]


def test_a_worker_leaves_and_its_host_is_what_it_was(cluster: Machines) -> None:
    cluster.delete(WORKER, AGREED)

    assert cluster.is_bare(WORKER)
    assert cluster.on(WORKER, "ls -A /var/lib/klusterkit 2>/dev/null || true") == ""
    assert set(nodes_ready(cluster)) == set(MASTERS)
    assert cluster.known() == {cluster.lab.address(host) for host in MASTERS}
    cluster.kubectl("rollout", "status", "deployment/shop", "--timeout=120s")


def test_a_master_that_is_dead_is_taken_out_of_what_stays(cluster: Machines) -> None:
    cluster.lab("power-off", "m3")
    assert "--gone" in cluster.delete("m3", rc=3)
    cluster.kubectl("wait", "--for=condition=Ready=Unknown", "node/m3", "--timeout=120s")

    said = cluster.delete("m3", "--gone")

    assert "must not come back" in said
    assert cluster.lab.address("m3") not in cluster.operator("state", "host-key", "list").out
    assert cluster.voters("m1") == {"m1", "m2"}
    assert set(nodes_ready(cluster)) == {"m1", "m2"}
    assert cluster.lab.address("m3") not in cluster.on("m1", "cat /etc/keepalived/keepalived.conf")
    in_order(cluster, "m1", "m2")


def test_a_master_leaves_though_cctl_is_killed_again_and_again(cluster: Machines) -> None:
    chance = random.Random(time.time_ns())
    machine = ("delete", "machine", "--ip", cluster.lab.address("m1"), AGREED, "--yes")
    ended = cluster.operator(*machine, rc=None, crash_after=chance.randrange(4, 30))
    kills = 0
    while ended.rc == -9:
        kills += 1
        ended = cluster.operator("resume", rc=None, crash_after=chance.randrange(1, 30))
    assert ended.rc == 0, ended.err
    assert kills > 5

    assert cluster.is_bare("m1")
    assert cluster.voters("m2") == {"m2"}
    assert nodes_ready(cluster) == ["m2"]
    cluster.kubectl("rollout", "status", "deployment/shop", "--timeout=120s")


def test_the_last_master_ends_the_cluster_only_when_that_is_said(cluster: Machines) -> None:
    assert "--confirm cctl-cluster" in cluster.delete("m2", rc=3)

    cluster.operator("delete", "cluster", "--yes", "--confirm", "cctl-cluster")

    assert cluster.is_bare("m2")
    assert "/set-aside/" in cluster.on("m2", "find /var/lib/klusterkit -name db")
    assert cluster.known() == set()
    ended = [run["outcome"] for run in json.loads(cluster.operator("history", "-o", "json").out)]
    assert ended[-4:] == ["done"] * 4
