"""The kubelet, and what pods do to their host: logs, mounts, network interfaces, rules, kernel settings."""

from __future__ import annotations

import re

from klusterkit.hosts.simulated import Machine
from tests.simulation.real.programs.containerd import SANDBOXES, SOCKET, Containerd
from tests.simulation.real.programs.program import Program
from tests.simulation.real.programs.texts import documents
from tests.support import kernel, posix

PODS = "/var/lib/kubelet/pods"
MANIFESTS = "/etc/kubernetes/manifests"
NETWORK = "/etc/cni/net.d/10-pods.conflist"
"""What a pod network writes when it is there."""
SETS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}
"""The kernel settings that a kubelet protects (its defaults)."""


class Kubelet(Program):
    """One that ends pods only when it is told: a stop of its unit leaves them.

    Args:
        machine: that it runs on.
        containerd: that it runs pods with.
    """

    def __init__(self, machine: Machine, containerd: Containerd) -> None:
        super().__init__(machine)
        self._containerd = containerd

    @property
    def node(self) -> str:
        """The node's name in Kubernetes."""
        flags = self.tree.read("/var/lib/kubelet/kubeadm-flags.env").decode()
        found = re.search(r"--hostname-override=([^ \"]+)", flags)
        return found[1] if found else self.machine.name

    @property
    def ready(self) -> bool:
        """What it says of its node: with a network, it can run pods."""
        return self.runs("kubelet") and self.has(NETWORK)

    def start(self) -> bool:
        """As its unit does."""
        wanted = ("/usr/local/bin/kubelet", "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env")
        if not self.has(*wanted, "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/pki/ca.crt", SOCKET):
            return False
        for folder in ("pods", "plugins", "plugins_registry", "pod-resources"):
            self.tree.makedirs(f"/var/lib/kubelet/{folder}", 0o750)
        self.tree.write("/var/lib/kubelet/cpu_manager_state", "{}", 0o600)
        for path, value in SETS.items():
            kernel.set_value(self.machine, path, value)
        return True

    @property
    def static_pods(self) -> dict[str, str]:
        """The images of the pods whose manifests are there, by the pods' names."""
        folder = self.tree.find(MANIFESTS)
        manifests = [
            documents(self.tree.read(f"{MANIFESTS}/{file}"))[0] for file in (folder.children if folder else ())
        ]
        return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in manifests}

    def run(self, pod: str, image: str, *, host_network: bool) -> bool:
        """Run a pod, unless it runs. Returns whether it was started: it needs its image, and its network."""
        if self._containerd.running(pod) or not self.runs("containerd"):
            return False
        if image not in self._containerd.images or not (host_network or self.has(NETWORK)):
            return False
        self._containerd.run(pod, image)
        self._log(pod)
        self.tree.makedirs(f"/sys/fs/cgroup/kubepods.slice/{pod}")
        if pod in self.static_pods:
            self.tree.makedirs(f"{PODS}/{pod}/volumes", 0o750)
        else:
            kernel.mount(self.machine, f"{PODS}/{pod}/volumes/kubernetes.io~projected/kube-api-access")
        if not host_network:
            self._connect(pod)
        return True

    def _log(self, pod: str) -> None:
        for folder in (f"/var/log/pods/kube-system_{pod}", "/var/log/containers"):
            self.tree.makedirs(folder)
        self.tree.write(f"/var/log/pods/kube-system_{pod}/0.log", "started\n", 0o640)
        self.tree.link(f"/var/log/containers/{pod}.log", f"/var/log/pods/kube-system_{pod}/0.log")

    def _connect(self, pod: str) -> None:
        """As plugins of a pod network do."""
        self.tree.write(f"/run/netns/cni-{pod}", "")
        self.tree.makedirs("/sys/class/net/cni0")
        posix.connect(self.machine, f"veth{pod}", master="cni0", netns=f"cni-{pod}")
        self.tree.makedirs("/var/lib/cni/networks/cbr0")
        self.tree.write(f"/var/lib/cni/networks/cbr0/{pod}", pod)
        kernel.add_rules(self.machine, "nat", f"CNI-{pod}")

    def end(self, pod: str) -> None:
        """The API took it away: it ends with all that it has."""
        self._containerd.end(pod)
        self._containerd.forget(pod)
        kernel.unmount(self.machine, f"{SANDBOXES}/{pod}/shm")
        kernel.unmount(self.machine, f"{PODS}/{pod}")
        kernel.remove_rules(self.machine, f"CNI-{pod}")
        gone = [f"{PODS}/{pod}", f"/var/log/pods/kube-system_{pod}", f"/sys/fs/cgroup/kubepods.slice/{pod}"]
        gone += [f"/var/log/containers/{pod}.log", f"/run/netns/cni-{pod}", f"/sys/class/net/veth{pod}"]
        for path in [*gone, f"/var/lib/cni/networks/cbr0/{pod}"]:
            self.tree.remove(path, recursive=True)
