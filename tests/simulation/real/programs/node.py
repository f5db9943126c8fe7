"""One host of a cluster, with the programs that a plan brings to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Clock, Machine
from tests.simulation.real.programs import keepalived
from tests.simulation.real.programs.containerd import Containerd
from tests.simulation.real.programs.etcd import Etcd
from tests.simulation.real.programs.keepalived import Keepalived
from tests.simulation.real.programs.kubelet import NETWORK, Kubelet
from tests.support import kernel, posix
from tests.support.posix import said

Act = Callable[[list[str], bytes], Completed]
"""A program: its arguments without its own name, and what it reads."""

API_SERVER = "kube-apiserver"
CONTROL_PLANE = (API_SERVER, "kube-controller-manager", "kube-scheduler")


class Node:
    """A machine on which programs work once their files are there.

    Args:
        name: its hostname.
        address: by which others reach it.
        clock: its time.
    """

    def __init__(self, name: str, address: str, clock: Clock) -> None:
        self.address = address
        self.machine = Machine(name, clock)
        at = {"interfaces": {"eth0": (f"{address}/24",)}, "default_address": address}
        self.machine.facts = self.machine.facts.model_copy(update=at)
        for folder in ("/usr/local/sbin", "/usr/local/lib", "/lib", "/etc/sysctl.d", "/etc/modules-load.d"):
            self.machine.tree.makedirs(folder)
        kernel.boot(self.machine)
        for program, act in posix.PROGRAMS.items():
            self.machine.program(program, act)
        self.containerd = Containerd(self.machine)
        self.etcd = Etcd(self.machine, address)
        self.keepalived = Keepalived(self.machine)
        self.kubelet = Kubelet(self.machine, self.containerd)
        self.bring("ctr", self.containerd.ctr, takes=1.0)
        starts = {
            "containerd": self.containerd.start,
            "keepalived": self.keepalived.start,
            "kubelet": self._start_kubelet,
        }
        for unit, start in starts.items():
            self.machine.systemd.on_start(f"{unit}.service", lambda _, start=start: start())
        self.machine.systemd.on_reload(keepalived.UNIT, lambda _: self.keepalived.reload())

    def bring(self, name: str, act: Act, *, takes: float = 0.0) -> None:
        """Have a program that is there once its file is."""

        def run(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
            if machine.tree.find(f"/usr/local/bin/{name}") is None:
                return said(127, err=f"{name}: not found")
            return act(list(argv[1:]), stdin)

        self.machine.program(f"/usr/local/bin/{name}", run, takes=takes)

    def _start_kubelet(self) -> bool:
        if self.kubelet.start():
            self.settle()
            return True
        return False

    @property
    def knows_its_etcd(self) -> bool:
        """Whether there is an API server with the etcd beside it that it knows.

        Another one it takes for that as long as it lives.
        """
        log = self.etcd.log if self.containerd.running(API_SERVER) else None
        memory = self.containerd.memory(API_SERVER)
        if log is None or self.machine.tree.find(memory) is None:
            return False
        return self.machine.tree.read(memory).decode() == log.cluster

    @property
    def controls(self) -> bool:
        """Whether its scheduler and controllers run."""
        return all(self.containerd.running(pod) for pod in CONTROL_PLANE[1:])

    def settle(self) -> None:
        """A kubelet runs the pods whose manifests are there, and whose images, and ends those whose manifests aren't.

        An API server without an etcd ends, and is started again.
        """
        if not self.kubelet.runs("kubelet"):
            return
        wanted = self.kubelet.static_pods
        for pod in CONTROL_PLANE:
            if pod not in wanted and pod in self.containerd.containers:
                self.kubelet.end(pod)
        for pod, image in sorted(wanted.items()):
            if self.kubelet.run(pod, image, host_network=True) and pod == API_SERVER:
                kernel.listen(self.machine, pod, 6443)
        log = self.etcd.log if self.etcd.alive and self.containerd.running(API_SERVER) else None
        memory = self.containerd.memory(API_SERVER)
        if log and self.machine.tree.find(memory) is None:
            self.machine.tree.write(memory, log.cluster)

    def run_proxy(self) -> None:
        """kube-proxy, with its rules."""
        if self.kubelet.run("kube-proxy", self.containerd.image("kube-proxy"), host_network=True):
            kernel.add_rules(self.machine, "nat", "KUBE-SERVICES")
            kernel.add_rules(self.machine, "filter", "KUBE-FORWARD")
            kernel.set_value(self.machine, "net/netfilter/nf_conntrack_max", "131072")
            self.machine.tree.makedirs("/lib/modules")

    def run_network(self, name: str, image: str) -> None:
        """A pod network: its plugin, link and rules, and what tells containerd and the kubelet that it is there."""
        if not self.kubelet.run(name, image, host_network=True):
            return
        tree = self.machine.tree
        for folder in ("/opt/cni/bin", "/sys/class/net/flannel.1", "/run/flannel", "/etc/cni/net.d"):
            tree.makedirs(folder)
        tree.write("/opt/cni/bin/flannel", "flannel", 0o755)
        tree.write("/run/flannel/subnet.env", "FLANNEL_SUBNET=192.168.0.1/24\n")
        tree.write(NETWORK, "{}")
        kernel.add_rules(self.machine, "nat", "FLANNEL-POSTRTG")

    def power_off(self) -> None:
        """Pull the plug."""
        self.machine.power_off()
        kernel.boot(self.machine)

    def power_on(self) -> None:
        """Put it in again: what is enabled starts, and containers don't come back by themselves."""
        self.machine.power_on()
