"""Reference plans: what each operation does to a reference cluster, as files for readers and for a test to compare.

``python -m klusterkit.plans.reference FOLDER`` writes them anew.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from klusterkit.cluster import RELEASES, Cluster, Machine, Role, artifacts_for
from klusterkit.engine.facts import Facts
from klusterkit.engine.journal import TaskState
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord, done_by_host
from klusterkit.plans.create import compile_create, extra_artifacts
from klusterkit.plans.delete import compile_delete
from klusterkit.plans.deletion import DeleteRequest, Leaving
from klusterkit.plans.deploy import DeployRequest, compile_deploy
from klusterkit.plans.member import compile_member
from klusterkit.plans.nodereset import NodeResetRequest, compile_node_reset
from klusterkit.plans.relabel import RelabelRequest, compile_relabel
from klusterkit.plans.request import ArtifactFile, CreateRequest, EtcdOptions, Options
from klusterkit.tasks.deploying import Deploy
from klusterkit.tasks.preflight import FEATURES, PROGRAMS

_GIB = 1 << 30

LINEAGE = "6c7d3c0e-0000-4000-8000-000000000000"
CLUSTER = Cluster.of(
    pod_network="192.168.0.0/16",
    service_network="192.169.0.0/24",
    kubernetes_version="v1.36.3",
    cni={"kind": "flannel"},
)
MACHINE = Machine.of(name="10.0.0.5", address="10.0.0.5", roles=Role.MASTER)
FACTS = Facts(
    hostname="m1",
    machine_id="5f1c0de25f1c0de25f1c0de25f1c0de2",
    os="debian-12",
    kernel="6.1.0-40-amd64",
    architecture="amd64",
    cpus=4,
    memory=8 * _GIB,
    memory_available=7 * _GIB,
    swap=0,
    disk_free=40 * _GIB,
    init="systemd",
    cgroup=2,
    can_lower_oom_score=True,
    can_write_conntrack_limits=True,
    kernel_features=FEATURES,
    has_modprobe=True,
    name_servers=("10.0.0.2",),
    interfaces={"eth0": ("10.0.0.5/24",)},
    default_interface="eth0",
    default_address="10.0.0.5",
    listening=(22,),
    programs=PROGRAMS,
    services=(),
    paths=(),
    clock=1_767_225_600.0,
    clock_offset=0.0,
)


HIGHLY_AVAILABLE = CLUSTER.replace(vip={"address": "10.0.0.100", "router_id": 51})


def master(address: str, **more: str) -> Machine:
    """A machine of the control plane."""
    return Machine.of(name=address, address=address, roles=Role.MASTER, **more)


def worker(address: str) -> Machine:
    """A machine for workloads."""
    return Machine.of(name=address, address=address, roles=Role.NODE)


def facts_of(machine: Machine) -> Facts:
    """Its host: ``h5`` is the one with the address 10.0.0.5."""
    number = str(machine.address).rpartition(".")[2]
    has = {"eth0": (f"{machine.address}/24",)}
    own = {"hostname": f"h{number}", "machine_id": f"{int(number):032x}"}
    return FACTS.model_copy(update={**own, "interfaces": has, "default_address": str(machine.address)})


def artifacts(cluster: Cluster) -> dict[str, ArtifactFile]:
    """Made up: a mirror of the day would give a plan of the day."""
    wanted = artifacts_for([Role.MASTER], cluster.kubernetes_version, cluster.cni, vip=cluster.vip is not None)
    names = [item.name for item in (*wanted, *extra_artifacts(cluster.cni))]
    return {name: ArtifactFile(sha256=hashlib.sha256(name.encode()).hexdigest(), size=50_000_000) for name in names}


def _create(cluster: Cluster, machines: Sequence[Machine], existing: Sequence[Machine] = ()) -> Plan:
    return compile_create(
        CreateRequest(
            cluster=cluster,
            machines=tuple(machines),
            existing=tuple(existing),
            options=Options(share=True),
            facts={machine.name: facts_of(machine) for machine in machines},
            artifacts=artifacts(cluster),
            lineage=LINEAGE,
            serial=3,
        )
    )


def create_one_master() -> Plan:
    """``create machine --ip 10.0.0.5 --role master``: a cluster of one machine with the values of the README."""
    return compile_create(
        CreateRequest(
            cluster=CLUSTER,
            machines=(MACHINE,),
            facts={MACHINE.name: FACTS},
            artifacts=artifacts(CLUSTER),
            lineage=LINEAGE,
            serial=3,
        )
    )


def create_three_masters_two_workers() -> Plan:
    """A highly available cluster from bare hosts, all at once."""
    machines = [*(master(f"10.0.0.{number}") for number in (5, 6, 7)), worker("10.0.0.8"), worker("10.0.0.9")]
    return _create(HIGHLY_AVAILABLE, machines)


def join_two_masters_one_worker() -> Plan:
    """A cluster of one master with a virtual address grows."""
    first = master("10.0.0.5", node_name="h5", interface="eth0")
    return _create(HIGHLY_AVAILABLE, [master("10.0.0.6"), master("10.0.0.7"), worker("10.0.0.8")], [first])


def records(plan: Plan) -> dict[str, HostRecord]:
    """What is recorded on hosts when such a plan is done; what each task saw there before is left out."""
    states = {task.id: TaskState(before={}) for task in plan.tasks}
    return {host: HostRecord().after(done) for host, done in done_by_host(plan, "then", states).items()}


def _delete(cluster: Cluster, made: Plan, leaving: Sequence[Machine], staying: Sequence[Machine] = ()) -> Plan:
    """Machines leave. Those that ``made`` doesn't speak of are gone."""
    known = records(made)
    asked = next((machine.name for machine in staying if machine.is_master), None)
    return compile_delete(
        DeleteRequest(
            cluster=cluster,
            leaving=tuple(Leaving(machine=machine, record=known.get(machine.name)) for machine in leaving),
            staying=tuple(staying),
            asked_on=asked,
            forget=not staying,
            lineage=LINEAGE,
            serial=4,
        )
    )


def _made(machine: Machine) -> Machine:
    return machine.replace(node_name=facts_of(machine).hostname, interface="eth0" if machine.is_master else None)


_MASTERS = tuple(_made(master(f"10.0.0.{number}")) for number in (5, 6, 7))
_WORKERS = tuple(_made(worker(f"10.0.0.{number}")) for number in (8, 9))


def delete_a_worker() -> Plan:
    """A worker leaves."""
    return _delete(HIGHLY_AVAILABLE, create_three_masters_two_workers(), _WORKERS[:1], [*_MASTERS, *_WORKERS[1:]])


def delete_a_master() -> Plan:
    """A master leaves: nobody who uses it is cut off, and its vote goes before anything of it is stopped."""
    return _delete(HIGHLY_AVAILABLE, create_three_masters_two_workers(), _MASTERS[2:], [*_MASTERS[:2], *_WORKERS])


def delete_a_gone_master() -> Plan:
    """A master that is dead is taken out of what stays."""
    return _delete(HIGHLY_AVAILABLE, create_one_master(), _MASTERS[2:], [*_MASTERS[:2], *_WORKERS])


def delete_cluster() -> Plan:
    """A cluster of one master ends: what its etcd holds goes last."""
    return _delete(CLUSTER, create_one_master(), [MACHINE])


def apply_objects() -> Plan:
    """``apply -f`` of a file in which a worker has other labels and a taint."""
    worker = _WORKERS[0].replace(labels={"disk": "hdd", "rack": "7"})
    taint = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    master = _MASTERS[0]
    return compile_relabel(
        RelabelRequest(
            changed=((worker, worker.replace(labels={"disk": "ssd"}, taints=[taint])),),
            asked_on=master.name,
            facts={machine.name: facts_of(machine) for machine in (master, worker)},
            lineage="6c7d3c0e-0000-4000-8000-000000000000",
            serial=4,
        )
    )


_NAMED = {"name": "server", "namespace": "web", "labels": {"app": "server"}}
_POD = {
    "metadata": {"labels": {"app": "server"}},
    "spec": {"containers": [{"name": "server", "image": "docker.io/library/busybox:1.35", "command": ["httpd", "-f"]}]},
}
DEPLOYED = (
    Deploy(manifest={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}),
    Deploy(manifest={"apiVersion": "v1", "kind": "ConfigMap", "metadata": _NAMED, "data": {"greeting": "hello"}}),
    Deploy(manifest={"apiVersion": "v1", "kind": "Secret", "metadata": _NAMED}, secrets={"password": "run/1"}),
    Deploy(
        manifest={
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _NAMED,
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 80}]},
        }
    ),
    Deploy(
        manifest={
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _NAMED,
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "server"}}, "template": _POD},
        }
    ),
)
"""A server in a namespace of its own, with its configuration and a password."""


def deploy() -> Plan:
    """``deploy -f web.yaml``: objects of the operator's own."""
    master = _MASTERS[0]
    return compile_deploy(
        DeployRequest(
            operation="deploy web.yaml",
            objects=DEPLOYED,
            waited=(DEPLOYED[-1].target,),
            asked_on=master.name,
            facts=facts_of(master),
            lineage="6c7d3c0e-0000-4000-8000-000000000000",
            serial=4,
        )
    )


def member_request(command: str = "etcdadm init", **options: Any) -> CreateRequest:
    """What ``etcdadm`` asks for on the reference host, with further options of the member."""
    name = f"etcd {RELEASES[-1].etcd}"
    machine = Machine.of(name="m1", address="10.0.0.5", roles=Role.MASTER, node_name="m1")
    return CreateRequest(
        cluster=CLUSTER,
        machines=(machine,),
        facts={machine.name: FACTS},
        artifacts={"etcd": ArtifactFile(sha256=hashlib.sha256(name.encode()).hexdigest(), size=23_000_000)},
        lineage=LINEAGE,
        serial=1,
        etcd=EtcdOptions(**options),
        own_authorities=True,
        by_hand=command,
    )


def etcdadm_init() -> Plan:
    """``etcdadm init``: a new cluster of one member."""
    return compile_member(member_request(), {})


def etcdadm_join() -> Plan:
    """``etcdadm join https://10.0.0.6:2379``: the third member."""
    others = {"m2": "10.0.0.6", "m3": "10.0.0.7"}
    return compile_member(member_request("etcdadm join https://10.0.0.6:2379"), others)


def _by_hand(machine: Machine, command: str, **more: Any) -> Plan:
    cluster = CLUSTER.replace(endpoint={"host": "10.0.0.5", "port": 6443}) if "existing" in more else CLUSTER
    request = CreateRequest(
        cluster=cluster,
        machines=(machine,),
        facts={machine.name: facts_of(machine)},
        artifacts=artifacts(CLUSTER),
        lineage=LINEAGE,
        serial=1,
        etcd=EtcdOptions(present=True),
        by_hand=command,
        **more,
    )
    return compile_create(request)


_BY_HAND = Machine.of(name="h5", address="10.0.0.5", roles=Role.MASTER, node_name="h5")


def nodeadm_init() -> Plan:
    """``nodeadm init``: a control plane beside the etcd that is there."""
    return _by_hand(_BY_HAND, "nodeadm init", own_authorities=True)


def nodeadm_join() -> Plan:
    """``nodeadm join 10.0.0.5``: a worker, which the master is asked about."""
    joining = Machine.of(name="h8", address="10.0.0.8", roles=Role.NODE, node_name="h8")
    return _by_hand(joining, "nodeadm join 10.0.0.5", existing=(_BY_HAND,))


def nodeadm_reset() -> Plan:
    """``nodeadm reset`` on that worker."""
    joined = nodeadm_join()
    joining = Machine.from_object(joined.outcome["machines"][-1])
    return compile_node_reset(
        NodeResetRequest(
            host=joining.name,
            facts=facts_of(joining),
            record=records(joined)[joining.name],
            cluster=CLUSTER,
            machine=joining,
            masters=(_BY_HAND,),
            operation="nodeadm reset",
            lineage=LINEAGE,
            serial=2,
        )
    )


PLANS = {
    "create-one-master": create_one_master,
    "create-three-masters-two-workers": create_three_masters_two_workers,
    "join-two-masters-one-worker": join_two_masters_one_worker,
    "delete-a-worker": delete_a_worker,
    "delete-a-master": delete_a_master,
    "delete-a-gone-master": delete_a_gone_master,
    "delete-cluster": delete_cluster,
    "apply-objects": apply_objects,
    "deploy": deploy,
    "etcdadm-init": etcdadm_init,
    "etcdadm-join": etcdadm_join,
    "nodeadm-init": nodeadm_init,
    "nodeadm-join": nodeadm_join,
    "nodeadm-reset": nodeadm_reset,
}


def write(folder: Path) -> None:
    """Write all of them into a folder."""
    for name, compiled in PLANS.items():
        (folder / f"{name}.yaml").write_text(compiled().to_yaml())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
