"""Requests for plans, as hypothesis makes them up, or as a test says."""

from __future__ import annotations

from hypothesis import strategies as st

from klusterkit.cluster import CNI, Machine, Role, Vip
from klusterkit.engine.facts import Facts
from klusterkit.plans.reference import CLUSTER, FACTS, HIGHLY_AVAILABLE, LINEAGE, artifacts
from klusterkit.plans.request import CreateRequest, Options

GIB = 1 << 30
OWN_NETWORK = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: own\n"

VIP = Vip.of(address="10.0.99.99", router_id=51)
VERSIONS = st.sampled_from(["v1.36.3", "v1.37.2"])
REGISTRIES = st.sampled_from([None, {"place": "registry.example:5000/mirror", "account": "registry.account"}])
NETWORKS = st.sampled_from([CNI(), CNI(kind="none"), CNI.manifest(OWN_NETWORK)])


@st.composite
def facts(draw: st.DrawFn, number: int) -> Facts:
    """A host that preflight would let through, with whatever can differ between such hosts."""
    address = f"10.0.{number // 200}.{number % 200 + 1}"
    return FACTS.model_copy(
        update={
            "hostname": f"host-{number}",
            "machine_id": f"{number:032x}",
            "cgroup": draw(st.sampled_from([1, 2])),
            "can_lower_oom_score": draw(st.booleans()),
            "can_write_conntrack_limits": draw(st.booleans()),
            "memory": draw(st.integers(2 * GIB, 4096 * GIB)),
            "cpus": draw(st.integers(1, 512)),
            "name_servers": draw(st.sampled_from([(), ("10.0.0.2",)])),
            "has_modprobe": draw(st.booleans()),
            "services": draw(st.sampled_from([(), ("systemd-resolved.service",)])),
            "architecture": "amd64",
            "default_address": address,
            "interfaces": {"eth0": (f"{address}/16",)},
        }
    )


@st.composite
def requests(draw: st.DrawFn, most_workers: int = 2) -> CreateRequest:
    """Masters and workers, for a new cluster or one that is there; of any supported version, network, kind of host."""
    vip = draw(st.sampled_from([None, VIP]))
    cluster = CLUSTER.replace(kubernetes_version=draw(VERSIONS), cni=draw(NETWORKS), vip=vip, registry=draw(REGISTRIES))
    there = draw(st.integers(0, 3 if vip else 1))
    masters = draw(st.integers(0 if there else 1, 3)) if vip else 1 - there
    workers = draw(st.integers(0 if masters else 1, most_workers))
    found = [draw(facts(number)) for number in range(there + masters + workers)]
    machines = [
        Machine.of(
            name=host.default_address,
            address=host.default_address,
            roles=Role.MASTER if number < there + masters else Role.NODE,
        )
        for number, host in enumerate(found)
    ]
    existing = [
        machine.replace(node_name=host.hostname, interface="eth0" if vip else None)
        for machine, host in zip(machines[:there], found, strict=False)
    ]
    new = list(zip(machines, found, strict=True))[there:]
    return CreateRequest(
        cluster=cluster if vip or not there else cluster.replace(endpoint={"host": machines[0].name}),
        machines=tuple(draw(st.permutations([machine for machine, _ in new]))),
        existing=tuple(existing),
        facts={machine.name: host for machine, host in new},
        artifacts=artifacts(cluster),
        lineage=LINEAGE,
        serial=draw(st.integers(0, 10_000)),
        options=Options(
            uploads=draw(st.integers(1, 8)),
            uploads_each=draw(st.integers(1, 4)),
            imports=draw(st.integers(1, 4)),
            joins=draw(st.none() | st.integers(1, 3)),
            share=draw(st.booleans()),
        ),
    )


def request_for(*machines: Machine, **fields: object) -> CreateRequest:
    """Not made up: for these machines, with these fields as they are said here."""
    found = {
        machine.name: FACTS.model_copy(update={"hostname": f"m{number}", "machine_id": f"{number:032x}"})
        for number, machine in enumerate(machines)
    }
    known = artifacts(HIGHLY_AVAILABLE)
    given: dict[str, object] = {"cluster": CLUSTER, "facts": found, "artifacts": known, "serial": 1}
    return CreateRequest(machines=machines, lineage="l", **{**given, **fields})  # type: ignore[arg-type]


def node(address: str) -> Machine:
    """A worker."""
    return Machine.of(name=address, address=address, roles=Role.NODE)
