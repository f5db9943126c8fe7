"""A pod eats up its host, and those who need the cluster don't notice: etcd and the control plane are kept from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from klusterkit.plans.proof import PROBE_IMAGE
from tests.cluster.machines import Machines
from tests.cluster.written import until, written
from tests.support.lab import Lab
from tests.support.operator import nodes_ready

pytestmark = [pytest.mark.cluster, pytest.mark.sweep]

HOST, GIBIBYTES = "e1", 3
SMALL = f"""\
sed 's/^MemTotal: .*/MemTotal: {GIBIBYTES << 20} kB/' /proc/meminfo >/run/meminfo
mount --bind /run/meminfo /proc/meminfo
"""
"""The lab's limit is no secret on a host that is really so small."""
MEALS = 3
PATIENCE = 10.0
"""Seconds that a writer waits for an answer. That all of it is slow is no wonder."""
EATER = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: eater}}
spec:
  terminationGracePeriodSeconds: 0
  tolerations: [{{operator: Exists}}]
  containers:
  - name: eater
    image: {PROBE_IMAGE}
    command:
    - sh
    - -c
    - |
      for processor in 1 2 3 4; do while :; do :; done & done
      while :; do
        awk 'BEGIN {{ all = "x"; while (1) all = all all }}'
        echo "ended with $?"
      done
"""
"""It takes whatever memory there is until somebody ends what does, and all processors."""


@pytest.fixture
def small(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A cluster of one master that has little memory."""
    made = Machines.prepared(lab, tmp_path_factory.mktemp("starved"), [HOST], 205)
    lab("limit", HOST, "--memory", f"{GIBIBYTES}G")
    made.on(HOST, SMALL)
    made.create(HOST)
    yield made
    lab("down", HOST)


def started(cluster: Machines) -> dict[str, Any]:
    """When each of those who must not notice was started, or how often."""
    pods = json.loads(cluster.kubectl("get", "pods", "--namespace=kube-system", "-o", "json"))["items"]
    control_plane = {
        pod["metadata"]["name"]: [each["restartCount"] for each in pod["status"]["containerStatuses"]]
        for pod in pods
        if pod["metadata"].get("labels", {}).get("tier") == "control-plane"
    }
    units = "systemctl show -p InvocationID --value etcd containerd kubelet keepalived"
    return control_plane | {"units": cluster.on(HOST, units)}


def killed(cluster: Machines) -> int:
    """How often the kernel has ended what ate all memory: a process of the pod's, or all of it."""
    status: dict[str, Any] = json.loads(cluster.kubectl("get", "pod", "eater", "-o", "json"))["status"]
    log = cluster.on(HOST, "cat /var/log/pods/default_eater_*/eater/* 2>/dev/null || true")
    evicted = MEALS if status["phase"] == "Failed" else 0
    restarts = sum(each["restartCount"] for each in status.get("containerStatuses", ()))
    return evicted + restarts + log.count("ended with 137")


def test_the_api_and_etcd_answer_while_a_pod_eats_memory_and_processors_of_their_host(
    small: Machines, record_property: Callable[[str, object], None]
) -> None:
    assert small.kubectl("get", "nodes", "-o", "jsonpath={..capacity.memory}") == f"{GIBIBYTES}Gi"
    (small.operator.folder / "eater.yaml").write_text(EATER)
    before = started(small)
    with written(small, patience=PATIENCE) as writers:
        with writers.measured() as gap:
            small.kubectl("apply", "-f", str(small.operator.folder / "eater.yaml"))
            until(lambda: killed(small) >= MEALS, within=300.0)
        small.kubectl("delete", "pod", "eater")
    assert gap[0] < 2 * PATIENCE
    assert len(before) == 4
    assert started(small) == before
    assert len(nodes_ready(small.operator)) == 1
    record_property("figures", f"longest gap: {gap[0]:.2f} s")
