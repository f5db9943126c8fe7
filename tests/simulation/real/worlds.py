"""Hosts before a cluster is made of them, each with the plan that makes it: every plan that KlusterKit compiles."""

from __future__ import annotations

from collections.abc import Callable

from klusterkit.cluster import CNI, Cluster, Machine, Role
from klusterkit.engine.plan import Plan, Retry
from klusterkit.hosts.simulated import Question
from klusterkit.plans.create import compile_create
from klusterkit.plans.reference import CLUSTER
from klusterkit.plans.request import CreateRequest
from klusterkit.tasks import preflight
from tests.simulation.real.programs import posix
from tests.simulation.real.programs.cluster import OWN_NETWORK, ClusterModel
from tests.unit.plans import supplies

QUESTION = Question(
    kernel_features=preflight.KERNEL_FEATURES,
    programs=preflight.PROGRAMS,
    units=preflight.UNITS,
    paths=preflight.PATHS,
)
PATIENCE = 20.0
"""Seconds of each attempt: on these hosts whatever comes is there at the second look."""

Setup = Callable[[ClusterModel], None]


class World:
    """Hosts, always the same, and a plan for them.

    Args:
        workers: beside the master.
        cluster: that is wanted.
        setup: what is on the hosts already.
    """

    def __init__(self, *, workers: int = 0, cluster: Cluster = CLUSTER, setup: Setup = lambda _: None) -> None:
        self._workers, self._cluster, self._setup = workers, cluster, setup
        self.plan = self._hurried(compile_create(self._request()))

    def hosts(self) -> ClusterModel:
        """The hosts as they are before."""
        made = ClusterModel({f"10.0.0.{5 + number}": f"m{1 + number}" for number in range(self._workers + 1)})
        self._setup(made)
        return made

    def _request(self) -> CreateRequest:
        nodes = self.hosts().nodes
        roles = [Role.MASTER, *[Role.NODE] * self._workers]
        return CreateRequest(
            cluster=self._cluster,
            machines=tuple(
                Machine.of(name=name, address=name, roles=role) for name, role in zip(nodes, roles, strict=True)
            ),
            facts={name: node.machine.look(QUESTION) for name, node in nodes.items()},
            artifacts=supplies.files(),
            lineage="l",
            serial=1,
        )

    @staticmethod
    def _hurried(plan: Plan) -> Plan:
        """The same tasks in the same order, but nobody waits between attempts."""
        hurried = {"retry": Retry(attempts=3, wait=0.0, longest=0.0), "timeout": PATIENCE}
        return plan.changed(tasks=tuple(task.model_copy(update=hurried) for task in plan.tasks))


def _live_in(hosts: ClusterModel) -> None:
    """Somebody has used them before: other versions, half a configuration, settings and rules of their own."""
    for node in hosts.nodes.values():
        tree = node.machine.tree
        for folder in ("/etc/containerd/certs.d", "/etc/iptables", "/etc/kubernetes", "/opt/cni", "/lib/modules"):
            tree.makedirs(folder)
        tree.makedirs("/var/log/pods")
        tree.mkdir("/etc/containerd", 0o700, "daemon:daemon")
        tree.mkdir("/etc/etcd", 0o750)
        tree.mkdir("/var/lib/etcd", 0o755, "etcd:etcd")
        tree.write("/etc/containerd/config.toml", "version = 2\n", 0o600, "daemon:daemon")
        tree.write("/etc/etcd/etcd.yaml", "name: old\n", 0o640)
        tree.write("/usr/local/bin/kubectl", "an older kubectl", 0o700)
        tree.write("/usr/local/bin/ctr", "an older ctr", 0o755)
        tree.link("/usr/local/bin/containerd", "/usr/bin/containerd")
        tree.write("/etc/sysctl.d/klusterkit.conf", "net.ipv4.ip_forward = 1\n", 0o600)
        tree.write("/etc/modules-load.d/klusterkit.conf", "overlay\n")
        tree.write(posix.RULES, "*filter\n:OUTPUT ACCEPT [0:0]\n:SOMEBODYS - [0:0]\n-A SOMEBODYS -j RETURN\nCOMMIT\n")
        unit = "[Service]\nExecStart=/usr/bin/containerd\n[Install]\nWantedBy=multi-user.target\n"
        tree.write("/etc/systemd/system/containerd.service", unit)
        posix.boot(node.machine)
        node.machine.systemd.systemctl(["daemon-reload"])


def _strip(hosts: ClusterModel) -> None:
    """They have no folder that some other program didn't need."""
    for node in hosts.nodes.values():
        for folder in ("/etc/sysctl.d", "/etc/modules-load.d"):
            node.machine.tree.remove(folder)


def _own_network() -> CNI:
    return CNI.manifest(
        f"""\
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {OWN_NETWORK}
  namespace: kube-system
spec:
  selector:
    matchLabels:
      app: {OWN_NETWORK}
  template:
    metadata:
      labels:
        app: {OWN_NETWORK}
    spec:
      hostNetwork: true
      containers:
      - name: network
        image: registry.example/{OWN_NETWORK}:1
"""
    )


ONE_MASTER = World()
LIVED_IN = World(setup=_live_in)
BARE = World(setup=_strip)
WITH_WORKERS = World(workers=2)
NO_NETWORK = World(cluster=CLUSTER.replace(cni=CNI(kind="none")))
OWN = World(cluster=CLUSTER.replace(cni=_own_network()))
WORLDS = {
    "one master": ONE_MASTER,
    "one master where somebody lived": LIVED_IN,
    "one master on a bare host": BARE,
    "one master with a network of its own": OWN,
    "one master without a network": NO_NETWORK,
    "a master and two workers": WITH_WORKERS,
}
