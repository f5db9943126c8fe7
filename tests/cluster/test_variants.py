"""The older minor, and networks that are not ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.operator import Operator, nodes_ready

pytestmark = pytest.mark.cluster

BRIDGE = """\
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: bridge
  namespace: kube-system
spec:
  selector:
    matchLabels: {app: bridge}
  template:
    metadata:
      labels: {app: bridge}
    spec:
      hostNetwork: true
      tolerations: [{operator: Exists}]
      containers:
      - name: bridge
        image: docker.io/library/busybox:1.35
        command: [sh, -c, 'echo "$NETWORK" > /networks/10-bridge.conflist; sleep 1000000']
        env:
        - name: NETWORK
          value: |
            {"cniVersion": "1.0.0", "name": "bridge", "plugins": [{"type": "bridge", "isGateway": true, "ipMasq": true,
            "hairpinMode": true, "ipam": {"type": "host-local", "ranges": [[{"subnet": "192.168.0.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}, {"type": "portmap", "capabilities": {"portMappings": true}}]}
        volumeMounts: [{name: networks, mountPath: /networks}]
      volumes: [{name: networks, hostPath: {path: /etc/cni/net.d, type: DirectoryOrCreate}}]
"""
"""A network for one host, as an operator might bring it: the bridge plugin, set up by a pod."""


def create(operator: Operator, *cluster_options: str) -> None:
    operator.prepare(*cluster_options)
    operator("create", "machine", "--ip", operator.lab.address("m1"), "--role", "master", "--yes")


def test_the_older_minor_with_a_network_from_the_operators_own_manifest(operator: Operator, tmp_path: Path) -> None:
    manifest = tmp_path / "bridge.yaml"
    manifest.write_text(BRIDGE)

    create(operator, "--kubernetes-version", "v1.36.3", "--cni", str(manifest))

    assert len(nodes_ready(operator)) == 1
    assert json.loads(operator.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"] == "v1.36.3"


def test_without_a_network_the_node_registers_and_waits_for_one(operator: Operator) -> None:
    create(operator, "--cni", "none")

    nodes = json.loads(operator.kubectl("get", "nodes", "-o", "json"))["items"]
    ready = [item for item in nodes[0]["status"]["conditions"] if item["type"] == "Ready"]

    assert ready[0]["status"] == "False"
    assert "cni" in ready[0]["message"].lower()
