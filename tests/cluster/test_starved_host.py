"""A pod eats up its host, and those who need the cluster don't notice: etcd and the control plane are kept from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from klusterkit.plans.proof import PROBE_IMAGE
from tests.cluster.machines import Machines
from tests.cluster.written import until, written
from tests.support.operator import Operator, nodes_ready

pytestmark = pytest.mark.cluster

HOST = "c1"
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
def before(cluster: Operator) -> Iterator[dict[str, Any]]:
    """Who ran before it came, on a host that is as small as one may be then."""
    (cluster.folder / "eater.yaml").write_text(EATER)
    running = started(cluster)
    cluster.lab("limit", HOST, "--memory", "2G", "--cpus", "1")
    try:
        cluster.kubectl("apply", "-f", str(cluster.folder / "eater.yaml"))
        yield running
        cluster.kubectl("delete", "pod", "eater")
    finally:
        cluster.lab("limit", HOST)


def started(cluster: Operator) -> dict[str, Any]:
    """When each of those who must not notice was started, or how often."""
    pods = json.loads(cluster.kubectl("get", "pods", "--namespace=kube-system", "-o", "json"))["items"]
    control_plane = {
        pod["metadata"]["name"]: [each["restartCount"] for each in pod["status"]["containerStatuses"]]
        for pod in pods
        if pod["metadata"].get("labels", {}).get("tier") == "control-plane"
    }
    units = cluster.lab("ssh", HOST, "--", "systemctl show -p InvocationID --value etcd containerd kubelet")
    return control_plane | {"units": units}


def killed(cluster: Operator) -> int:
    """How often the kernel has ended what ate all memory: a process of the pod's, or all of it."""
    status: dict[str, Any] = json.loads(cluster.kubectl("get", "pod", "eater", "-o", "json"))["status"]
    assert status["phase"] != "Failed", status
    log = cluster.lab("ssh", HOST, "--", "cat /var/log/pods/default_eater_*/eater/* 2>/dev/null || true")
    return log.count("ended with 137") + sum(each["restartCount"] for each in status.get("containerStatuses", ()))


def test_the_api_and_etcd_answer_while_a_pod_eats_memory_and_processors_of_their_host(
    cluster: Operator, before: dict[str, Any]
) -> None:
    with written(Machines(cluster.lab, cluster, {}, ""), patience=PATIENCE) as writers:
        with writers.measured() as gap:
            until(lambda: killed(cluster) >= MEALS, within=300.0)
        print(f"the longest gap was {gap[0]:.2f} s")
        assert gap[0] < 2 * PATIENCE
    assert len(before) == 4
    assert started(cluster) == before
    assert len(nodes_ready(cluster)) == 1
