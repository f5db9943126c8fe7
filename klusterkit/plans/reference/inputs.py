"""The hosts, the cluster and the artifacts that reference plans are compiled from."""

from __future__ import annotations

import hashlib

from klusterkit.cluster import Cluster, Machine, Role, artifacts_for
from klusterkit.cluster.registry import PrivateRegistry
from klusterkit.cluster.releases import RELEASES
from klusterkit.engine.facts import Facts
from klusterkit.engine.journal import TaskState
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord, done_by_host
from klusterkit.plans.create import extra_artifacts
from klusterkit.plans.push import Content
from klusterkit.plans.request import ArtifactFile
from klusterkit.tasks.asked import FEATURES, PROGRAMS

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
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
REGISTRY = PrivateRegistry(
    place="registry.example:5000/site", authority=CERTIFICATE.format("made up"), account="registry.account"
)
PRIVATE = CLUSTER.replace(registry=REGISTRY)
"""Hosts pull its images."""


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


def bundled() -> tuple[Content, ...]:
    """A bundle with what clusters of each Kubernetes version need; made up as well."""
    wanted = [artifact for release in RELEASES for artifact in artifacts_for([Role.MASTER], release.tried, CLUSTER.cni)]
    return tuple(
        Content(
            name=artifact.name,
            version=artifact.version,
            sha256=hashlib.sha256(path.encode()).hexdigest(),
            size=50_000_000,
        )
        for path, artifact in {artifact.url_path: artifact for artifact in wanted}.items()
    )


def made(machine: Machine) -> Machine:
    """A machine as the state knows it when it is part of the cluster."""
    return machine.replace(node_name=facts_of(machine).hostname, interface="eth0" if machine.is_master else None)


MASTERS = tuple(made(master(f"10.0.0.{number}")) for number in (5, 6, 7))
WORKERS = tuple(made(worker(f"10.0.0.{number}")) for number in (8, 9))


def records(plan: Plan) -> dict[str, HostRecord]:
    """What is recorded on hosts when such a plan is done; what each task saw there before is left out."""
    states = {task.id: TaskState(before={}) for task in plan.tasks}
    return {host: HostRecord().after(done) for host, done in done_by_host(plan, "then", states).items()}
