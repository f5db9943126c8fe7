"""The older minor, networks that are not ours, and images from a private registry."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from klusterkit.bundle.reference import Place, Reference
from klusterkit.cluster import CNI, Role, Version, artifacts_for
from tests.cluster.sampler import Sampler
from tests.support.operator import Operator, nodes_ready
from tests.support.registry import PASSWORD, USERNAME, RealRegistry, real_registry

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


VERSION = Version.parse("v1.36.3")
NEW_PASSWORD = "another-horse-battery"


def create(operator: Operator, *cluster_options: str) -> None:
    operator.prepare(*cluster_options)
    operator("create", "machine", "--ip", operator.lab.address("m1"), "--role", "master", "--yes")


@pytest.fixture
def registry(operator: Operator, tmp_path: Path) -> Iterator[RealRegistry]:
    """A private registry in the lab, filled from a bundle for the older minor."""
    with real_registry(tmp_path, operator.lab.env["LAB_GATEWAY"]) as made:
        operator("bundle", "key", "--out", "site.key", "--without-passphrase")
        operator("bundle", "build", "--kubernetes-version", "1.36.3", "--out", "k8s.bundle", "--key", "site.key")
        operator("bundle", "publish", "k8s.bundle", "--key", "site.pub", *made.options)
        (tmp_path / "k8s.bundle").unlink()
        yield made
    shutil.rmtree(tmp_path / "images")


def test_the_older_minor_from_a_private_registry_with_a_network_from_the_operators_own_manifest(
    operator: Operator, registry: RealRegistry, tmp_path: Path
) -> None:
    manifest = tmp_path / "bridge.yaml"
    manifest.write_text(BRIDGE)

    with Sampler() as sampler:
        create(operator, "--kubernetes-version", "v1.36.3", "--cni", str(manifest), *registry.options)

    assert len(nodes_ready(operator)) == 1
    assert json.loads(operator.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"] == "v1.36.3"
    host, own = operator.lab.address("m1"), Place.parse(f"{registry.place}/site")
    pulled = [line for line in registry.asked("GET") if line.startswith(host)]
    assert any(own.repository(Reference.parse("registry.k8s.io/kube-apiserver:v1.36.3")) in line for line in pulled)
    assert "klusterkit.io/archive" not in operator.lab("ssh", "m1", "--", "ctr -n k8s.io images list")
    assert not registry_account_is_in(operator, sampler)

    operator.kubectl(
        "run", "own", f"--image={registry.place}/site/docker.io/library/busybox:1.35", "--", "sleep", "600"
    )
    operator.kubectl("wait", "--for=condition=Ready", "pod/own", "--timeout=300s")
    the_account_changes(operator, registry)


def the_account_changes(operator: Operator, registry: RealRegistry) -> None:
    """The registry takes another password, which the node learns: it gets an image that it hasn't had yet."""
    image = next(each.name for each in artifacts_for([Role.NODE], VERSION, CNI()) if "flannel:" in each.name)
    assert image not in operator.lab("ssh", "m1", "--", "ctr -n k8s.io images list")
    new = registry.change_password(NEW_PASSWORD)
    with Sampler() as sampler:
        operator("update", "registry", "--registry-password-file", str(new), "--yes")

    operator.kubectl("run", "new", f"--image={image}", "--command", "--", "busybox", "sleep", "600")
    operator.kubectl("wait", "--for=condition=Ready", "pod/new", "--timeout=300s")
    assert not registry_account_is_in(operator, sampler, NEW_PASSWORD)
    old = b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    assert operator.lab("ssh", "m1", "--", f"grep -rlE '{PASSWORD}|{old}' /etc /var/lib/klusterkit || true") == ""


def registry_account_is_in(operator: Operator, sampler: Sampler, password: str = PASSWORD) -> list[str]:
    """Where its password is in the clear, or as HTTP has it: state, journal, log, arguments, files on the host.

    But for one folder there, whose files have to be root's alone.
    """
    secrets = (password.encode(), b64encode(f"{USERNAME}:{password}".encode()))
    own = [*operator.folder.glob("cctl-state.yaml*"), *operator.folder.glob("cctl-state.yaml*/*")]
    texts = {str(path): path.read_bytes() for path in own if path.is_file()}
    texts["arguments"] = b"\n".join(sampler.seen)
    script = f"grep -rlE '{password}|{secrets[1].decode()}' /etc /var/lib/klusterkit /var/log /run/klusterkit* || true"
    on_host = operator.lab("ssh", "m1", "--", script).split()
    modes = operator.lab("ssh", "m1", "--", f"stat -c %a {' '.join(on_host)}").split()
    assert set(modes) == {"600"}
    found = [where for where, text in texts.items() if any(secret in text for secret in secrets)]
    return found + [path for path in on_host if not path.startswith("/etc/containerd/certs.d/")]


def test_without_a_network_the_node_registers_and_waits_for_one(operator: Operator) -> None:
    create(operator, "--cni", "none")

    nodes = json.loads(operator.kubectl("get", "nodes", "-o", "json"))["items"]
    ready = [item for item in nodes[0]["status"]["conditions"] if item["type"] == "Ready"]

    assert ready[0]["status"] == "False"
    assert "cni" in ready[0]["message"].lower()
