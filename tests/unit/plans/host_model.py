"""A model of what a plan's programs do to hosts: containerd, kubeadm, kubelet, keepalived, API, as far as steps see.

What they keep is in the machines' files, where the real ones keep it too, so that undo has something to take back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import yaml

from klusterkit.cluster import Machine
from klusterkit.engine.host import Completed
from klusterkit.engine.plan import Task
from klusterkit.hosts.question import Question
from klusterkit.hosts.simulated import Machine as SimulatedMachine
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.plans.host import SYSCTL
from klusterkit.plans.reference import MACHINE, create_one_master, facts_of
from klusterkit.tasks import preflight
from tests.unit.plans.api_model import ADMIN_NEEDS, ask_api
from tests.unit.plans.etcd_model import EtcdModel
from tests.unit.tasks.step_world import new_host, said

IMAGES = "/var/lib/containerd/images.json"
QUESTION = Question(
    kernel_features=preflight.KERNEL_FEATURES,
    programs=preflight.PROGRAMS,
    units=preflight.UNITS,
    paths=preflight.PATHS,
)
CERTIFICATES = ("ca.crt", "apiserver.crt", "apiserver-kubelet-client.crt", "front-proxy-client.crt", "etcd/ca.crt")


def reference_tasks() -> Sequence[Task]:
    """The tasks of the reference plan: they say which objects a phase of kubeadm makes."""
    return create_one_master().tasks


class ClusterModel:
    """Hosts on which a cluster can come up.

    Args:
        addresses: of the hosts, by their names in the plan.
        nodes: what they are called themselves.
    """

    def __init__(self, addresses: Mapping[str, str], nodes: Mapping[str, str], vip: str | None = None) -> None:
        self.vip = vip
        self.hosts: dict[str, HostModel] = {}
        self.etcd = EtcdModel(self.hosts)
        self.hosts |= {
            name: HostModel(self, name, address, nodes.get(name, name)) for name, address in addresses.items()
        }

    @classmethod
    def of(cls, machines: Iterable[Machine], vip: str | None = None) -> ClusterModel:
        """The hosts of some machines, called as in reference plans."""
        found = list(machines)
        nodes = {machine.name: facts_of(machine).hostname for machine in found}
        return cls({machine.name: str(machine.address) for machine in found}, nodes, vip)

    def __getitem__(self, name: str) -> HostModel:
        return self.hosts[name]

    @property
    def nodes(self) -> set[str]:
        """Names of the nodes that are registered."""
        return {name.removeprefix("node/") for name in self.etcd.objects() if name.startswith("node/")}

    def settle(self) -> None:
        """Let kubelets do what they do by themselves."""
        for host in self.hosts.values():
            host.register()

    def reaches(self, here: HostModel, server: str | None) -> bool:
        """Whether a client on a host reaches an API server: the one beside it, or whoever has the virtual address."""
        if server is None or self.vip is None or self.vip not in server:
            return here.api
        return any(host.api and host.active("keepalived") for host in self.hosts.values())


class HostModel:
    """One of the hosts."""

    def __init__(self, cluster: ClusterModel, name: str, address: str, node: str) -> None:
        self.cluster = cluster
        self.address = address
        self.node = node
        self.machine: SimulatedMachine = new_host().machine
        self.host = SimulatedHost(name, machine=self.machine, question=QUESTION)
        self.containers: list[str] = []
        for folder in ("/usr/local/sbin", "/usr/local/lib"):
            self.machine.tree.makedirs(folder)
        self.machine.tree.makedirs("/lib")
        for key in SYSCTL:
            path = f"/proc/sys/{key.replace('.', '/')}"
            self.machine.tree.makedirs(path.rpartition("/")[0])
            self.machine.tree.write(path, "0\n")
        for name in ("ctr", "kubeadm", "kubectl", "etcdctl"):
            self.host.program(f"/usr/local/bin/{name}", self._installed(name))
        self.host.program("grep", self._grep)
        for name in preflight.NEEDED:
            self.machine.programs.setdefault(name, self.machine.find_program(["true"]))
        self.host.program("cp", self._cp)
        starts = {"containerd": self._containerd, "etcd": self._etcd, "kubelet": self._kubelet}
        starts |= {"keepalived": self._keepalived}
        for name, act in starts.items():
            self.machine.systemd.on_start(f"{name}.service", act)

    # What is there ------------------------------------------------------------------------------------------------

    def has(self, *paths: str) -> bool:
        return all(self.machine.tree.find(path) is not None for path in paths)

    def active(self, name: str) -> bool:
        return f"{name}.service" in self.machine.systemd.active

    @property
    def api(self) -> bool:
        """The API server's pod was started by a kubelet that found its image, and etcd answers it."""
        # A kubelet ends the pod of a file that is gone, and starts it again when the file is back.
        there = "kube-apiserver" in self.containers and self.has("/etc/kubernetes/manifests/kube-apiserver.yaml")
        return there and self.machine.powered and self.active("kubelet") and self.cluster.etcd.answers(self)

    def images(self) -> dict[str, str]:
        return self._kept(IMAGES)

    def objects(self) -> dict[str, Any]:
        return self.cluster.etcd.objects()

    def _kept(self, path: str) -> dict[str, Any]:
        return json.loads(self.machine.tree.read(path)) if self.has(path) else {}

    def _keep(self, path: str, content: dict[str, Any]) -> None:
        self.machine.tree.write(path, json.dumps(content, sort_keys=True))

    # Units --------------------------------------------------------------------------------------------------------

    def _containerd(self, _: str) -> bool:
        if not self.has("/usr/local/bin/containerd", "/usr/local/sbin/runc", "/etc/containerd/config.toml"):
            return False
        self.machine.tree.makedirs("/etc/cni/net.d")
        self.machine.tree.makedirs("/run/containerd")
        self.machine.tree.write("/run/containerd/containerd.sock", "")
        return self.has("/var/lib/containerd")

    def _etcd(self, _: str) -> bool:
        if not self.has("/usr/local/bin/etcd", "/etc/etcd/etcd.yaml", "/etc/etcd/pki/server.key", "/var/lib/etcd"):
            return False
        return self.cluster.etcd.start(self)

    def _keepalived(self, _: str) -> bool:
        return self.has("/usr/local/lib/keepalived/usr/local/sbin/keepalived", "/etc/keepalived/keepalived.conf")

    def _kubelet(self, _: str) -> bool:
        if not self.has("/usr/local/bin/kubelet", "/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.conf"):
            return False
        self.machine.tree.makedirs("/var/lib/kubelet/pods/static/volumes")
        self.machine.tree.makedirs("/lib/modules")
        folder = self.machine.tree.find("/etc/kubernetes/manifests")
        for name in sorted(folder.children if folder else ()):
            self._start_pod(name.removesuffix(".yaml"))
        return True

    def register(self) -> None:
        """What a running kubelet does: its node, where its kubeconfig leads to an API server that answers."""
        if not self.machine.powered or not self.active("kubelet"):
            return
        if f"node/{self.node}" in self.objects():
            return
        config = self.machine.tree.read("/etc/kubernetes/kubelet.conf").decode()
        if self.cluster.reaches(self, re.findall(r"server: (\S+)", config)[0]):
            self.add({f"node/{self.node}": {"address": self.address}})

    def _start_pod(self, name: str) -> None:
        if any(f"/{name}:" in image for image in self.images()) and name not in self.containers:
            self.containers.append(name)
            self.machine.tree.makedirs(f"/var/log/pods/{name}")

    # Programs -----------------------------------------------------------------------------------------------------

    def _installed(self, name: str) -> Callable[[SimulatedMachine, Sequence[str], bytes], Completed]:
        act = getattr(self, f"_{name}")

        def run(_: SimulatedMachine, argv: Sequence[str], stdin: bytes) -> Completed:
            return act(list(argv[1:]), stdin) if self.has(f"/usr/local/bin/{name}") else said(127)

        return run

    def _grep(self, _: SimulatedMachine, argv: Sequence[str], __: bytes) -> Completed:
        return said(0 if self.api and "192B" in " ".join(argv) else 1)

    def _ctr(self, argv: list[str], _: bytes) -> Completed:
        if not self.active("containerd"):
            return said(1, err="ctr: connection refused")
        what, verb, *rest = argv[1:]
        if what == "images":
            return self._ctr_images(verb, rest)
        if verb == "remove" and what == "containers":
            self.containers.clear()
        return said(out="".join(f"{name}\n" for name in self.containers) if verb == "list" else "")

    def _ctr_images(self, verb: str, rest: list[str]) -> Completed:
        images = self.images()
        if verb in ("mount", "unmount"):
            return self._ctr_mount(verb, rest)
        if verb == "list":
            return said(out="REF TYPE\n" + "".join(f"{name} {label}\n" for name, label in images.items()))
        if verb == "remove":
            gone = images.pop(rest[0], None)
        else:
            reference = self.machine.tree.read(rest[-1]).decode()
            images[reference], gone = " ".join(rest), ""
        self._keep(IMAGES, images)
        return said() if gone is not None else said(1, err="not found")

    def _ctr_mount(self, verb: str, rest: list[str]) -> Completed:
        place = rest[-1]
        if verb == "mount" and rest[0] not in self.images():
            return said(1, err="image not found")
        program = f"{place}/usr/local/sbin/keepalived"
        if verb == "mount":
            self.machine.tree.makedirs(program.rpartition("/")[0])
            self.machine.tree.write(program, "program", 0o755)
        elif self.has(place):
            self.machine.tree.remove(f"{place}/usr", recursive=True)
        return said()

    def _etcdctl(self, argv: list[str], _: bytes) -> Completed:
        keys = [word.split("=")[1] for word in argv if word.startswith(("--cacert=", "--cert=", "--key="))]
        return self.cluster.etcd.etcdctl(self, argv) if self.has(*keys) else said(1, err="open: no such file")

    def _kubeadm(self, argv: list[str], _: bytes) -> Completed:
        config = next(word.split("=")[1] for word in argv if word.startswith("--config="))
        phase = " ".join(argv[2 : argv.index(f"--config={config}")])
        kubeconfigs = [
            f"/etc/kubernetes/{name}.conf"
            for name in ("admin", "super-admin", "kubelet", "controller-manager", "scheduler")
        ]
        if not self.has(config, *kubeconfigs, *(f"/etc/kubernetes/pki/{name}" for name in CERTIFICATES)):
            return said(1, err="invalid or incomplete external CA")
        if phase.startswith("control-plane "):
            return self._static_pod(config, f"kube-{phase.split()[1]}")
        if not self.api or ADMIN_NEEDS not in self.objects():
            return said(1, err="could not bootstrap the admin user")
        return self._phase_of_api(phase)

    def _static_pod(self, config: str, name: str) -> Completed:
        version = yaml.safe_load_all(self.machine.tree.read(config))
        tag = next(part["kubernetesVersion"] for part in version if part["kind"] == "ClusterConfiguration")
        text = f"spec:\n  image: registry.k8s.io/{name}:{tag}\nstatus: {{}}\n"
        self.machine.tree.write(f"/etc/kubernetes/manifests/{name}.yaml", text, 0o600)
        return said()

    def _phase_of_api(self, phase: str) -> Completed:
        self.cluster.settle()
        if phase == "mark-control-plane":
            return self.add({f"node/{self.node}": {**self.objects()[f"node/{self.node}"], "marked": True}})
        step: Any = next(task.step for task in reference_tasks() if task.step.title == f"kubeadm init phase {phase}")
        return self.add(dict.fromkeys(step.objects, phase))

    def add(self, objects: dict[str, Any]) -> Completed:
        self.cluster.etcd.keep({**self.objects(), **objects})
        return said()

    def _kubectl(self, argv: list[str], stdin: bytes) -> Completed:
        options = dict(word.lstrip("-").partition("=")[::2] for word in argv if word.startswith("--"))
        if not self.cluster.reaches(self, options.get("server")):
            return said(1, err="The connection to the server was refused")
        if options["kubeconfig"] != "/dev/stdin" and not self.has(options["kubeconfig"]):
            return said(1, err="no such file")
        words = [word for word in argv if not word.startswith("-")]
        self.cluster.settle()
        ended = ask_api(self.objects(), words, options, stdin)
        if ended.objects is not None:
            self.cluster.etcd.keep(ended.objects)
        if words[:1] == ["apply"] and b"flannel" in stdin:
            self._start_flannel()
        return ended.completed

    def _start_flannel(self) -> None:
        self.machine.tree.makedirs("/opt/cni/bin")
        self.machine.tree.write("/opt/cni/bin/flannel", "program")
        self.machine.tree.makedirs("/sys/class/net/flannel.1")

    def _cp(self, machine: SimulatedMachine, argv: Sequence[str], __: bytes) -> Completed:
        source, target = argv[-2].removesuffix("/."), argv[-1]
        for entry in list(machine.tree.walk()):
            if entry.path.startswith(f"{source}/") and entry.type == "file":
                path = f"{target}{entry.path.removeprefix(source)}"
                machine.tree.makedirs(path.rpartition("/")[0])
                machine.tree.write(path, machine.tree.read(entry.path), entry.mode)
        return said()

    def power_cycle(self) -> None:
        """Pull the plug, and put it in again."""
        self.machine.power_off()
        self.containers.clear()
        self.machine.tree.remove("/run/containerd", recursive=True)
        self.machine.power_on()


def alone() -> HostModel:
    """A host by itself."""
    return ClusterModel({MACHINE.name: str(MACHINE.address)}, {MACHINE.name: "m1"})[MACHINE.name]
