"""Reference plans: what each operation does to a reference cluster, as files for readers and for a test to compare.

``python -m klusterkit.plans.reference FOLDER`` writes them anew.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from klusterkit.cluster import Cluster, Machine, Role, artifacts_for
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.plans.create import compile_create, extra_artifacts
from klusterkit.plans.request import ArtifactFile, CreateRequest
from klusterkit.tasks.preflight import FEATURES, PROGRAMS

_GIB = 1 << 30

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
    addresses=("10.0.0.5/24",),
    default_interface="eth0",
    default_address="10.0.0.5",
    listening=(22,),
    programs=PROGRAMS,
    services=(),
    paths=(),
    clock=1_767_225_600.0,
    clock_offset=0.0,
)


def artifacts(cluster: Cluster) -> dict[str, ArtifactFile]:
    """Made up: a mirror of the day would give a plan of the day."""
    names = [item.name for item in artifacts_for([Role.MASTER], cluster.kubernetes_version, cluster.cni)]
    names += [item.name for item in extra_artifacts(cluster.cni)]
    return {name: ArtifactFile(sha256=hashlib.sha256(name.encode()).hexdigest(), size=50_000_000) for name in names}


def create_one_master() -> Plan:
    """``create machine --ip 10.0.0.5 --role master``: a cluster of one machine with the values of the README."""
    return compile_create(
        CreateRequest(
            cluster=CLUSTER,
            machines=(MACHINE,),
            facts={MACHINE.name: FACTS},
            artifacts=artifacts(CLUSTER),
            lineage="6c7d3c0e-0000-4000-8000-000000000000",
            serial=3,
            operation="create machine --ip 10.0.0.5 --role master",
        )
    )


PLANS = {"create-one-master": create_one_master}


def write(folder: Path) -> None:
    """Write all of them into a folder."""
    for name, compiled in PLANS.items():
        (folder / f"{name}.yaml").write_text(compiled().to_yaml())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
