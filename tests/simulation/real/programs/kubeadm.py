"""kubeadm, as far as its phases are steps of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from klusterkit.engine.host import Completed
from klusterkit.plans.control_plane import UPLOADED
from klusterkit.plans.network import DNS, PROXY
from tests.simulation.real.programs.kubelet import MANIFESTS
from tests.simulation.real.programs.node import Node
from tests.simulation.real.programs.texts import documents
from tests.support.posix import said

if TYPE_CHECKING:
    from tests.simulation.real.programs.cluster import ClusterModel

ADMINISTRATORS = "clusterrolebinding/kubeadm:cluster-admins"
LABEL = "node-role.kubernetes.io/control-plane"
MAKES = {"upload-config all": UPLOADED, "addon kube-proxy": PROXY, "addon coredns": DNS}
"""Objects, by the phase that makes them."""
READS = (
    *("admin.conf", "super-admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf"),
    *("pki/ca.crt", "pki/apiserver.crt", "pki/apiserver.key", "pki/apiserver-kubelet-client.crt", "pki/sa.key"),
    *("pki/front-proxy-ca.crt", "pki/front-proxy-client.crt", "pki/etcd/ca.crt", "pki/apiserver-etcd-client.crt"),
)
"""In the mode of external authorities it looks at all of them, and makes none."""
ISSUES = "super-admin.conf"
"""It does without, where it has the authority's key."""


class Kubeadm:
    """``kubeadm init phase PHASE --config=FILE``."""

    def __init__(self, cluster: ClusterModel, node: Node) -> None:
        self._cluster = cluster
        self._node = node
        self._tree = node.machine.tree

    def __call__(self, argv: list[str], _: bytes) -> Completed:
        """Run it."""
        path = next(word.split("=")[1] for word in argv if word.startswith("--config="))
        phase = " ".join(word for word in argv[2:] if not word.startswith("--"))
        wanted = [path, *(f"/etc/kubernetes/{name}" for name in READS if name != ISSUES or not self._has_authority)]
        missing = [name for name in wanted if self._tree.find(name) is None]
        if missing:
            return said(1, err=f"error execution phase: invalid or incomplete external CA: {missing}")
        parts = {part["kind"]: part for part in documents(self._tree.read(path))}
        if phase.startswith("control-plane "):
            return self._write_static_pod(phase.split()[1], parts["ClusterConfiguration"]["kubernetesVersion"])
        here = self._node
        if not self._cluster.serves(here) or ADMINISTRATORS not in self._cluster.objects_at(here):
            return said(1, err="error execution phase: could not bootstrap the admin user")
        if phase == "mark-control-plane":
            return self._mark(parts["InitConfiguration"]["nodeRegistration"]["name"])
        with self._cluster.changing(self._node) as objects:
            for name in MAKES[phase]:
                objects.setdefault(name, {})
        return said()

    @property
    def _has_authority(self) -> bool:
        return self._tree.find("/etc/kubernetes/pki/ca.key") is not None

    def _mark(self, node: str) -> Completed:
        with self._cluster.changing(self._node) as objects:
            if f"node/{node}" not in objects:
                return said(1, err=f"nodes {node!r} not found")
            objects[f"node/{node}"]["labels"] = [LABEL]
        return said()

    def _write_static_pod(self, component: str, version: str) -> Completed:
        self._tree.makedirs(MANIFESTS, 0o700)
        name = f"kube-{component}"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "kube-system"},
            "spec": {"containers": [{"name": name, "image": f"registry.k8s.io/{name}:{version}"}]},
        }
        self._tree.write(f"{MANIFESTS}/{name}.yaml", yaml.safe_dump(pod) + "status: {}\n", 0o600)
        return said()
