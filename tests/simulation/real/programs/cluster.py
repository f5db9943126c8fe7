"""The cluster that the hosts make up: objects in etcd, and controllers that act on them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Clock, Machine
from klusterkit.pki.layout import KUBECONFIGS
from tests.simulation.real.programs import pods
from tests.simulation.real.programs.ensemble import Ensemble
from tests.simulation.real.programs.etcd import UNIT as ETCD
from tests.simulation.real.programs.etcdctl import Etcdctl
from tests.simulation.real.programs.kubeadm import Kubeadm
from tests.simulation.real.programs.kubectl import Kubectl
from tests.simulation.real.programs.node import Node
from tests.simulation.real.programs.peers import Peers
from tests.simulation.real.programs.texts import documents

OWN_NETWORK = "own-network"
"""The DaemonSet in an operator's own manifest. Its image is pulled from elsewhere."""

Act = Callable[[list[str], bytes], Completed]


class ClusterModel:
    """Some hosts.

    Args:
        names: of the hosts, by the machines' names in the plan, which are their addresses.
        vip: the virtual address.
    """

    def __init__(self, names: Mapping[str, str], vip: str | None = None) -> None:
        self.clock = Clock()
        self.nodes = {machine: Node(name, machine, self.clock) for machine, name in names.items()}
        self.by_name = {node.machine.name: node for node in self.nodes.values()}
        self.master = next(iter(self.nodes.values()))
        self.etcd = Ensemble([node.etcd for node in self.nodes.values()])
        self.gone: set[str] = set()
        """Machines that are switched off for good."""
        self.wrong: list[str] = []
        """What must not be, at any moment."""
        self._idle: dict[str, list[Any]] = {}
        """By what settles, when it last had nothing to do."""
        self._vip = vip
        self.peers = {node.address: Peers(node.machine, self._serving) for node in self.nodes.values()}
        for node in self.nodes.values():
            self._bring_programs(node)

    def _bring_programs(self, node: Node) -> None:
        node.machine.systemd.on_start(ETCD, lambda _: self.etcd.start(node.etcd))
        node.bring("kubeadm", self._settled(Kubeadm(self, node)), takes=2.0)
        node.bring("kubectl", self._settled(Kubectl(self, node)), takes=1.0)
        node.bring("etcdctl", self._settled(Etcdctl(self.etcd, node.etcd)))
        for name in ("grep", "systemctl"):
            node.machine.program(name, self._after_settling(node.machine.find_program([name]).act))

    def _serving(self, address: str) -> Peers | None:
        """What serves artifacts at an address."""
        there = self.peers.get(address)
        return there if there and there.machine.powered else None

    def _settled(self, act: Act) -> Act:
        """Whoever asks the API finds that the others have done their part meanwhile."""

        def run(argv: list[str], stdin: bytes) -> Completed:
            self.settle()
            ended = act(argv, stdin)
            self.settle()
            return ended

        return run

    def _after_settling(
        self, act: Callable[[Machine, Sequence[str], bytes], Completed]
    ) -> Callable[[Machine, Sequence[str], bytes], Completed]:
        """Whoever looks at a host finds that its processes have done their part meanwhile."""

        def run(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
            self._unless_settled(self._settle_processes)
            return act(machine, argv, stdin)

        return run

    # The API ----------------------------------------------------------------------------------------------------------

    def serves(self, node: Node) -> bool:
        """Whether the API server on a node answers: it has an etcd behind it that takes part in a quorum."""
        return node.machine.powered and node.knows_its_etcd and self.etcd.answers(node.etcd)

    @property
    def answers(self) -> bool:
        """Whether there is an API server that answers."""
        return any(map(self.serves, self.nodes.values()))

    def server(self, url: str) -> Node | None:
        """Whose API server answers there."""
        host = urlsplit(url).hostname
        able = [node for node in self.nodes.values() if self.serves(node)]
        if host == self._vip:
            return next((node for node in able if node.keepalived.runs("keepalived")), None)
        return next((node for node in able if node.address == host), None)

    @property
    def objects(self) -> dict[str, Any]:
        """All objects, by kind and name; none where nobody answers."""
        serving = next(filter(self.serves, self.nodes.values()), None)
        return self.objects_at(serving) if serving else {}

    def objects_at(self, server: Node) -> dict[str, Any]:
        """All objects, as this API server tells."""
        return self.etcd.objects(server.etcd)

    @contextlib.contextmanager
    def changing(self, server: Node) -> Iterator[dict[str, Any]]:
        """Change objects by this API server."""
        objects = self.objects_at(server)
        before = json.dumps(objects, sort_keys=True)
        yield objects
        if json.dumps(objects, sort_keys=True) != before:
            self.etcd.keep(server.etcd, objects)

    # What happens by itself -------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the controllers and kubelets do what they would by now."""
        self._unless_settled(self._settle_all)

    def _settle_all(self) -> None:
        self._settle_processes()
        for node in self.nodes.values():
            if node.kubelet.runs("kubelet"):
                self._serve(node)
        self._see_one_address()

    def _settle_processes(self) -> None:
        self.etcd.settle()
        for node in self.nodes.values():
            node.settle()

    def _unless_settled(self, settle: Callable[[], None]) -> None:
        """They go by files and units alone: where they had nothing to do, they haven't until one of those changes."""
        before = self._moment()
        if self._idle.get(settle.__name__) == before:
            return
        settle()
        if self._moment() == before:
            self._idle[settle.__name__] = before

    def _moment(self) -> list[Any]:
        machines = [node.machine for node in self.nodes.values()]
        return [(each.powered, each.tree.changes, each.systemd.states) for each in machines]

    def _serve(self, node: Node) -> None:
        """A kubelet registers its node, and runs what is meant for it."""
        config = documents(node.machine.tree.read(str(KUBECONFIGS["kubelet"])))[0]
        server = self.server(config["clusters"][0]["cluster"]["server"])
        if server is None:
            return
        controlled = any(other.controls and self.serves(other) for other in self.nodes.values())
        with self.changing(server) as objects:
            self._register(objects, node)
            if controlled:
                pods.place(objects, self.by_name)
        if controlled:
            self._run_daemons(node, objects)
            pods.run(objects, node)

    @staticmethod
    def _register(objects: dict[str, Any], node: Node) -> None:
        name = node.kubelet.node
        taken = {item["spec"].get("podCIDR") for key, item in objects.items() if key.startswith("node/")}
        free = next(cidr for cidr in (f"192.168.{number}.0/24" for number in range(256)) if cidr not in taken)
        new = {"labels": [], "annotations": {}, "spec": {"podCIDR": free}}
        objects.setdefault(f"node/{name}", new)["address"] = node.address
        objects.setdefault(f"lease/{name}", {})

    def _run_daemons(self, node: Node, objects: dict[str, Any]) -> None:
        if "daemonset/kube-flannel-ds" in objects and node.containerd.image("flannel-cni-plugin"):
            node.run_network("kube-flannel", node.containerd.image("flannel:"))
        own = objects.get(f"daemonset/{OWN_NETWORK}")
        if own is not None and node.containerd.runs("containerd"):
            image = own["applied"]["spec"]["template"]["spec"]["containers"][0]["image"]
            if image not in node.containerd.images:
                node.containerd.pull(image)
            node.run_network(OWN_NETWORK, image)
        if "daemonset/kube-proxy" in objects:
            node.run_proxy()

    def _see_one_address(self) -> None:
        """All keepalived hear of each other: one that doesn't would take the address too."""
        held = [node for node in self.nodes.values() if node.keepalived.runs("keepalived")]
        for node in held:
            unheard = {other.address for other in held}.difference(node.keepalived.peers, [node.address])
            if unheard:
                self.wrong.append(f"keepalived on {node.address} doesn't hear {', '.join(sorted(unheard))}")

    def reaches(self, node: Node) -> bool:
        """Whether a pod on this node would reach a Service by its name."""
        dns = any(other.containerd.running(pod) for other in self.nodes.values() for pod in pods.REPLICAS)
        return dns and node.containerd.running("kube-proxy") and node.kubelet.ready

    def switch_off(self, *machines: str) -> None:
        """For good."""
        self.gone |= {*machines}
        for machine in machines:
            self.nodes[machine].power_off()

    def power_cycle(self) -> None:
        """Pull all plugs and put them in again."""
        for node in self.nodes.values():
            node.power_off()
        for machine, node in self.nodes.items():
            if machine not in self.gone:
                node.power_on()
        self.settle()
