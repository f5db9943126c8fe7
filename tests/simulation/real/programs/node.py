"""One host of a cluster, with the programs that a plan brings to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Clock, Machine
from tests.simulation.real.programs import posix
from tests.simulation.real.programs.containerd import Containerd
from tests.simulation.real.programs.etcd import Etcd
from tests.simulation.real.programs.kubelet import NETWORK, Kubelet
from tests.unit.tasks.step_world import said

Act = Callable[[list[str], bytes], Completed]
"""A program: its arguments without its own name, and what it reads."""


class Node:
    """A machine on which programs work once their files are there.

    Args:
        name: its hostname.
        clock: its time.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self.machine = Machine(name, clock)
        for folder in ("/usr/local/sbin", "/lib", "/etc/sysctl.d", "/etc/modules-load.d"):
            self.machine.tree.makedirs(folder)
        posix.boot(self.machine)
        for program, act in posix.PROGRAMS.items():
            self.machine.program(program, act)
        self.containerd = Containerd(self.machine)
        self.etcd = Etcd(self.machine)
        self.kubelet = Kubelet(self.machine, self.containerd)
        self.bring("ctr", self.containerd.ctr, takes=1.0)
        self.bring("etcdctl", self.etcd.etcdctl)
        starts = {"containerd": self.containerd.start, "etcd": self.etcd.start, "kubelet": self._start_kubelet}
        for unit, start in starts.items():
            self.machine.systemd.on_start(f"{unit}.service", lambda _, start=start: start())

    def bring(self, name: str, act: Act, *, takes: float = 0.0) -> None:
        """Have a program that is there once its file is."""

        def run(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
            if machine.tree.find(f"/usr/local/bin/{name}") is None:
                return said(127, err=f"{name}: not found")
            return act(list(argv[1:]), stdin)

        self.machine.program(f"/usr/local/bin/{name}", run, takes=takes)

    def _start_kubelet(self) -> bool:
        if self.kubelet.start():
            self.run_static_pods()
            return True
        return False

    def run_static_pods(self) -> None:
        """Those whose manifests are there, and whose images."""
        for pod, image in sorted(self.kubelet.static_pods.items()):
            if self.kubelet.run(pod, image, host_network=True) and pod == "kube-apiserver":
                posix.listen(self.machine, pod, 6443)
                # What it knows of its etcd, it takes for the truth as long as it lives.
                self.machine.tree.write(self.containerd.memory(pod), self.etcd.log)

    def run_proxy(self) -> None:
        """kube-proxy, with its rules."""
        if self.kubelet.run("kube-proxy", self.containerd.image("kube-proxy"), host_network=True):
            posix.add_rules(self.machine, "nat", "KUBE-SERVICES")
            posix.add_rules(self.machine, "filter", "KUBE-FORWARD")
            posix.set_value(self.machine, "net/netfilter/nf_conntrack_max", "131072")
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
        posix.add_rules(self.machine, "nat", "FLANNEL-POSTRTG")

    def power_cycle(self) -> None:
        """Pull the plug and put it in again: what is enabled starts, and containers don't come back by themselves."""
        self.machine.power_off()
        posix.boot(self.machine)
        self.machine.power_on()
