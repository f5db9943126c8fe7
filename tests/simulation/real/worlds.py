"""Every plan that KlusterKit compiles, each with the hosts that it is for: bare ones, or as another plan left them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from klusterkit.cluster import CNI, Cluster, Machine, Role
from klusterkit.engine.plan import Plan
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.plans import reference
from klusterkit.plans.delete import compile_delete
from klusterkit.plans.deletion import DeleteRequest, Leaving
from klusterkit.plans.deploy import DeployRequest, compile_deploy
from klusterkit.plans.reference import CLUSTER, HIGHLY_AVAILABLE
from klusterkit.plans.relabel import RelabelRequest, compile_relabel
from klusterkit.session.connect import QUESTION
from klusterkit.session.ending import read_record
from klusterkit.tasks import readiness
from klusterkit.tasks.deploying import Deploy
from tests.simulation.real.programs.cluster import OWN_NETWORK, ClusterModel
from tests.simulation.real.story import Left, left_by
from tests.simulation.real.world import Beginning, World, machine
from tests.support import kernel
from tests.support.apiserver import ApiServer


class Next(World):
    """Hosts as another world's plan has left them.

    Args:
        first: the other world.
    """

    def __init__(self, first: World) -> None:
        self._first = first

    @cached_property
    def left(self) -> Left:
        """What the first one's end is."""
        return left_by(self._first)

    @property
    def cluster(self) -> Cluster:
        """As the state has it now."""
        return self.left.cluster

    @property
    def machines(self) -> tuple[Machine, ...]:
        """As the state has them now."""
        return self.left.machines

    @property
    def state(self) -> bytes:
        """The state file."""
        return self.left.state

    def hosts(self) -> ClusterModel:
        """The hosts as they were left."""
        made = self._first.hosts()
        self.left.hosts.restore_hosts(made)
        return made

    def bare(self) -> ClusterModel:
        """The hosts as they were before any plan."""
        return self._first.bare()


class Growth(Next):
    """A cluster gets more machines.

    Args:
        first: that makes the cluster, and has spare hosts.
        roles: of the machines that come, by the names of their hosts.
    """

    def __init__(self, first: World, roles: dict[str, Role]) -> None:
        super().__init__(first)
        self._roles = roles

    def compiled(self) -> Plan:
        """The plan that makes them join."""
        return self.creating(*(machine(name, role) for name, role in self._roles.items()))


class Departure(Next):
    """Machines leave, or all of the cluster ends.

    Args:
        first: that makes the cluster.
        leaving: names of machines whose hosts are taken back; none for all.
        gone: names of machines whose hosts are dead.
    """

    def __init__(self, first: World, leaving: Collection[str] = (), gone: Collection[str] = ()) -> None:
        super().__init__(first)
        self._named = tuple(leaving)
        self._gone = tuple(gone)

    @property
    def leaving(self) -> tuple[str, ...]:
        """Machines that are to be what they were before they came to the cluster."""
        everybody = tuple(each.name for each in self.machines)
        return self._named if self._named or self._gone else everybody

    def hosts(self) -> ClusterModel:
        """The hosts as they were left, some of them dead by now."""
        made = super().hosts()
        made.switch_off(*self._gone)
        made.settle()
        return made

    def compiled(self) -> Plan:
        """The plan, by what the hosts have kept."""
        nodes = self.hosts().nodes
        left = {each.name: each for each in self.machines}
        staying = [each for each in self.machines if each.name not in (*self.leaving, *self._gone)]
        asked = next((each.name for each in staying if each.is_master), None)
        hosts = {name: SimulatedHost(name, machine=nodes[name].machine) for name in self.leaving}
        request = DeleteRequest(
            cluster=self.cluster,
            leaving=(
                *(Leaving(machine=left[name], record=read_record(host)) for name, host in hosts.items()),
                *(Leaving(machine=left[name]) for name in self._gone),
            ),
            staying=tuple(staying),
            asked_on=asked,
            forget=not staying,
            facts={name: nodes[name].machine.look(QUESTION) for name in (*hosts, *([asked] if asked else []))},
            lineage="l",
            serial=2,
        )
        return compile_delete(request)


class Relabelling(Next):
    """Machines get other labels and taints.

    Args:
        first: that makes the cluster.
        marks: labels and taints that machines are to have, by their names.
    """

    def __init__(self, first: World, marks: dict[str, dict[str, Any]]) -> None:
        super().__init__(first)
        self._marks = marks

    def compiled(self) -> Plan:
        """The plan, by what the state knows."""
        there = {each.name: each for each in self.machines}
        changed = tuple((there[name], there[name].replace(**marks)) for name, marks in self._marks.items())
        asked = next(each.name for each in self.machines if each.is_master)
        nodes = self.hosts().nodes
        facts = {name: nodes[name].machine.look(QUESTION) for name in (asked, *self._marks)}
        return compile_relabel(RelabelRequest(changed=changed, asked_on=asked, facts=facts, lineage="l", serial=2))


class Deployment(Next):
    """Objects of the operator's own come, and some that are there are changed.

    Args:
        first: that makes the cluster.
        there: objects that somebody has made before.
        objects: as they are to be.
    """

    secrets: ClassVar[Mapping[str, bytes]] = {"run/1": b"correct horse battery"}

    def __init__(self, first: World, there: Sequence[dict[str, Any]], objects: Sequence[Deploy]) -> None:
        super().__init__(first)
        self._there = there
        self._objects = objects

    def hosts(self) -> ClusterModel:
        """The hosts as they were left, and what was made since."""
        made = super().hosts()
        with made.changing(made.master) as objects:
            for item in self._there:
                options = {"field-manager": "somebody"}
                assert ApiServer(objects)("apply", [], options, json.dumps(item).encode()).ok
        return made

    def compiled(self) -> Plan:
        """The plan: all of it is waited for that can be."""
        name = next(each.name for each in self.machines if each.is_master)
        request = DeployRequest(
            operation="deploy web.yaml",
            objects=tuple(self._objects),
            waited=tuple(each.target for each in self._objects if each.target.type in readiness.KINDS),
            asked_on=name,
            facts=self.hosts().nodes[name].machine.look(QUESTION),
            lineage="l",
            serial=2,
        )
        return compile_deploy(request)


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
        tree.write(kernel.RULES, "*filter\n:OUTPUT ACCEPT [0:0]\n:SOMEBODYS - [0:0]\n-A SOMEBODYS -j RETURN\nCOMMIT\n")
        unit = "[Service]\nExecStart=/usr/bin/containerd\n[Install]\nWantedBy=multi-user.target\n"
        tree.write("/etc/systemd/system/containerd.service", unit)
        kernel.boot(node.machine)
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


ONE_MASTER = Beginning()
LIVED_IN = Beginning(setup=_live_in)
BARE = Beginning(setup=_strip)
WITH_WORKERS = Beginning(workers=2)
NO_NETWORK = Beginning(cluster=CLUSTER.replace(cni=CNI(kind="none")))
OWN = Beginning(cluster=CLUSTER.replace(cni=_own_network()))
THREE_MASTERS = Beginning(masters=3, workers=2, cluster=HIGHLY_AVAILABLE)
JOINING = Growth(
    Beginning(spare=3, cluster=HIGHLY_AVAILABLE),
    {"10.0.0.6": Role.MASTER, "10.0.0.7": Role.MASTER, "10.0.0.8": Role.NODE},
)
MARKED = Relabelling(
    WITH_WORKERS,
    {
        "10.0.0.5": {"labels": {"zone": "a"}, "taints": [{"key": "dedicated", "value": "etcd", "effect": "NoExecute"}]},
        "10.0.0.7": {"labels": {"disk": "ssd"}},
    },
)
_SETTINGS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "default", "labels": {"team": "a"}},
}
_DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "backups.example.com"},
    "spec": {"group": "example.com", "names": {"kind": "Backup"}, "scope": "Namespaced", "versions": [{"name": "v1"}]},
}
_BACKUP = {"apiVersion": "example.com/v1", "kind": "Backup", "metadata": {"name": "nightly", "namespace": "web"}}
DEPLOYED = Deployment(
    ONE_MASTER,
    [{**_SETTINGS, "data": {"colour": "red", "size": "small"}}],
    [
        *reference.DEPLOYED,
        Deploy(manifest={**_SETTINGS, "data": {"colour": "green"}}, force=True),
        Deploy(manifest=_DEFINITION),
        Deploy(manifest=_BACKUP),
    ],
)
WORKER_LEAVES = Departure(WITH_WORKERS, ["10.0.0.7"])
MASTER_LEAVES = Departure(THREE_MASTERS, ["10.0.0.5"])
DEAD_MASTER_LEAVES = Departure(THREE_MASTERS, gone=["10.0.0.7"])
SEVERAL_LEAVE = Departure(THREE_MASTERS, ["10.0.0.6", "10.0.0.9"], gone=["10.0.0.7"])
ONE_MASTER_ENDS = Departure(ONE_MASTER)
LIVED_IN_ENDS = Departure(LIVED_IN)
GROWN_ENDS = Departure(JOINING)
COMING: dict[str, World] = {
    "one master": ONE_MASTER,
    "one master where somebody lived": LIVED_IN,
    "one master on a bare host": BARE,
    "one master with a network of its own": OWN,
    "one master without a network": NO_NETWORK,
    "a master and two workers": WITH_WORKERS,
    "three masters and two workers": THREE_MASTERS,
    "two masters and a worker join": JOINING,
}
CHANGING: dict[str, World] = {"labels and taints change": MARKED, "objects are deployed": DEPLOYED}
LEAVING: dict[str, World] = {
    "a worker leaves": WORKER_LEAVES,
    "a master leaves": MASTER_LEAVES,
    "a dead master leaves": DEAD_MASTER_LEAVES,
    "several leave at once": SEVERAL_LEAVE,
    "a cluster of one master ends": ONE_MASTER_ENDS,
    "a cluster where somebody lived ends": LIVED_IN_ENDS,
    "a cluster that has grown ends": GROWN_ENDS,
}
WORLDS = {**COMING, **CHANGING, **LEAVING}
LARGE = (THREE_MASTERS, JOINING, SEVERAL_LEAVE, GROWN_ENDS)
"""Those of many tasks, or after many."""
