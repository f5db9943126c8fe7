"""Every plan that KlusterKit compiles, each with the hosts that it is for: bare ones, or as another plan left them."""

from __future__ import annotations

from klusterkit.cluster import CNI, Role
from klusterkit.plans import reference
from klusterkit.plans.reference import CLUSTER, HIGHLY_AVAILABLE, PRIVATE
from klusterkit.tasks.deploying import Deploy
from tests.simulation.real.byhand import MasterInit, MemberInit, MemberJoin, MemberReset, NodeJoin, NodeReset
from tests.simulation.real.following import Departure, Deployment, Growth, OtherAccess, Push, Relabelling
from tests.simulation.real.programs.cluster import OWN_NETWORK, ClusterModel
from tests.simulation.real.world import Beginning, World
from tests.support import kernel


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
MOST_MASTERS = Growth(
    Beginning(masters=3, spare=4, cluster=HIGHLY_AVAILABLE),
    dict.fromkeys(("10.0.0.8", "10.0.0.9", "10.0.0.10", "10.0.0.11"), Role.MASTER),
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
FROM_REGISTRY = Beginning(workers=1, cluster=PRIVATE)
OTHER_ACCESS = OtherAccess(FROM_REGISTRY)
WORKER_LEAVES = Departure(WITH_WORKERS, ["10.0.0.7"])
MASTER_LEAVES = Departure(THREE_MASTERS, ["10.0.0.5"])
DEAD_MASTER_LEAVES = Departure(THREE_MASTERS, gone=["10.0.0.7"])
SEVERAL_LEAVE = Departure(THREE_MASTERS, ["10.0.0.6", "10.0.0.9"], gone=["10.0.0.7"])
ONE_MASTER_ENDS = Departure(ONE_MASTER)
LIVED_IN_ENDS = Departure(LIVED_IN)
GROWN_ENDS = Departure(JOINING)
MEMBER = MemberInit(Beginning(spare=2, cluster=HIGHLY_AVAILABLE), "10.0.0.5")
BESIDE_IT = MasterInit(MEMBER, "10.0.0.5")
WORKER_BY_HAND = NodeJoin(BESIDE_IT, "10.0.0.7", Role.NODE, asked="10.0.0.5")
SECOND_MEMBER = MemberJoin(BESIDE_IT, "10.0.0.6", asked="10.0.0.5")
MASTER_BY_HAND = NodeJoin(SECOND_MEMBER, "10.0.0.6", Role.MASTER, asked="10.0.0.5")
MASTER_RESET = NodeReset(MASTER_BY_HAND, "10.0.0.6", asked="10.0.0.5")
COMING: dict[str, World] = {
    "one master": ONE_MASTER,
    "one master where somebody lived": LIVED_IN,
    "one master on a bare host": BARE,
    "one master with a network of its own": OWN,
    "one master without a network": NO_NETWORK,
    "a master and two workers": WITH_WORKERS,
    "a master and a worker from a private registry": FROM_REGISTRY,
    "three masters and two workers": THREE_MASTERS,
    "two masters and a worker join": JOINING,
    "etcdadm makes a member": MEMBER,
    "nodeadm makes a master beside it": BESIDE_IT,
    "a worker joins by nodeadm": WORKER_BY_HAND,
    "a second member joins by etcdadm": SECOND_MEMBER,
    "a master joins by nodeadm": MASTER_BY_HAND,
}
CHANGING: dict[str, World] = {
    "labels and taints change": MARKED,
    "objects are deployed": DEPLOYED,
    "the registry has another account and authority": OTHER_ACCESS,
}
LEAVING: dict[str, World] = {
    "a worker leaves": WORKER_LEAVES,
    "a master leaves": MASTER_LEAVES,
    "a dead master leaves": DEAD_MASTER_LEAVES,
    "several leave at once": SEVERAL_LEAVE,
    "a cluster of one master ends": ONE_MASTER_ENDS,
    "a cluster where somebody lived ends": LIVED_IN_ENDS,
    "a cluster that has grown ends": GROWN_ENDS,
    "a cluster whose registry has changed ends": Departure(OTHER_ACCESS),
    "nodeadm takes a worker back": NodeReset(WORKER_BY_HAND, "10.0.0.7", asked="10.0.0.5"),
    "nodeadm takes a master back": MASTER_RESET,
    "nodeadm takes the only master back": NodeReset(BESIDE_IT, "10.0.0.5"),
    "etcdadm takes the only member back": MemberReset(MEMBER, "10.0.0.5"),
    "etcdadm takes a member back": MemberReset(SECOND_MEMBER, "10.0.0.6", asked="10.0.0.5"),
}
PUSHED = Push(THREE_MASTERS)
WORLDS = {**COMING, **CHANGING, **LEAVING, "a bundle is pushed": PUSHED}
LARGE = (THREE_MASTERS, JOINING, SEVERAL_LEAVE, GROWN_ENDS)
"""Those of many tasks, or after many."""
