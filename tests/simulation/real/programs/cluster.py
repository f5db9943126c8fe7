"""The cluster that the hosts make up: objects in etcd, and controllers that act on them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Clock
from tests.simulation.real.programs.kubeadm import Kubeadm
from tests.simulation.real.programs.kubectl import Kubectl
from tests.simulation.real.programs.node import Node

OWN_NETWORK = "own-network"
"""The DaemonSet in an operator's own manifest. Its image is pulled from elsewhere."""


class ClusterModel:
    """Some hosts, of which the first is the master.

    Args:
        names: of the hosts, by the machines' names in the plan.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self.clock = Clock()
        self.nodes = {machine: Node(name, self.clock) for machine, name in names.items()}
        self.master = next(iter(self.nodes.values()))
        for node in self.nodes.values():
            node.bring("kubeadm", self._settled(Kubeadm(self, node)), takes=2.0)
            node.bring("kubectl", self._settled(Kubectl(self, node)), takes=1.0)

    def _settled(self, act: Callable[[list[str], bytes], Completed]) -> Callable[[list[str], bytes], Completed]:
        """Whoever asks the API finds that the others have done their part meanwhile."""

        def run(argv: list[str], stdin: bytes) -> Completed:
            self.settle()
            ended = act(argv, stdin)
            self.settle()
            return ended

        return run

    @property
    def answers(self) -> bool:
        """Whether there is an API server with its etcd behind it. Another etcd, it takes for the one that it knows."""
        pod, store = "kube-apiserver", self.master.containerd
        if not (store.running(pod) and store.runs("etcd")):
            return False
        return self.master.machine.tree.read(store.memory(pod)) == self.master.etcd.log

    @property
    def objects(self) -> dict[str, Any]:
        """All objects, by kind and name."""
        return json.loads(self.master.machine.tree.read(self.master.etcd.database))

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """Change objects."""
        objects = self.objects
        yield objects
        self.master.etcd.keep(self.master.etcd.database, objects)

    def settle(self) -> None:
        """Let the controllers and kubelets do what they would by now."""
        serving = [node for node in self.nodes.values() if node.kubelet.runs("kubelet")]
        for node in serving:
            node.run_static_pods()
        for node in serving if self.answers else ():
            self._serve(node)

    def _serve(self, node: Node) -> None:
        """A kubelet registers its node, and runs what is meant for it."""
        with self.changing() as objects:
            objects.setdefault(f"node/{node.kubelet.node}", {"labels": [], "annotations": {}})
        controllers = ("kube-scheduler", "kube-controller-manager")
        if not all(self.master.containerd.running(pod) for pod in controllers):
            return
        self._run_network(node, objects)
        if "daemonset/kube-proxy" in objects:
            node.run_proxy()
        if "deployment/coredns" in objects:
            node.kubelet.run("coredns", node.containerd.image("coredns"), host_network=False)
        for name, item in objects.items():
            kind, _, pod = name.partition("/")
            if kind == "pod" and item["node"] == node.kubelet.node:
                node.kubelet.run(pod, item["image"], host_network=False)

    @staticmethod
    def _run_network(node: Node, objects: dict[str, Any]) -> None:
        if "daemonset/kube-flannel-ds" in objects and node.containerd.image("flannel-cni-plugin"):
            node.run_network("kube-flannel", node.containerd.image("flannel:"))
        own = objects.get(f"daemonset/{OWN_NETWORK}")
        if own is not None and node.containerd.runs("containerd"):
            image = own["applied"]["spec"]["template"]["spec"]["containers"][0]["image"]
            if image not in node.containerd.images:
                node.containerd.pull(image)
            node.run_network(OWN_NETWORK, image)

    def node(self, name: str) -> Node:
        """By its name in Kubernetes."""
        return next(node for node in self.nodes.values() if node.machine.name == name)

    def reaches(self, node: Node) -> bool:
        """Whether a pod on this node would reach a Service by its name."""
        dns = any(other.containerd.running("coredns") for other in self.nodes.values())
        return dns and node.containerd.running("kube-proxy") and node.kubelet.ready

    def power_cycle(self) -> None:
        """Pull all plugs and put them in again."""
        for node in self.nodes.values():
            node.power_cycle()
        self.settle()
