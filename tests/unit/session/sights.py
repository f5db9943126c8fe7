"""What machines might say, for tests of how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from klusterkit.cluster import Cluster, Endpoint, Machine
from klusterkit.engine.errors import HostUnreachable, KlusterKitError
from klusterkit.engine.record import Done, HostRecord
from klusterkit.pki import Life
from klusterkit.plans.reference import CLUSTER, FACTS
from klusterkit.session.status.certificates import CertificateSeen
from klusterkit.session.status.drift import DriftSeen
from klusterkit.session.status.judging import judge
from klusterkit.session.status.looking import units_of
from klusterkit.session.status.model import Component, EtcdState
from klusterkit.session.status.seen import ApiSeen, EtcdSeen, ListedMember, MachineSeen, Node, UnitState, Workload
from klusterkit.tasks.files import TextFile

PLACED = CLUSTER.replace(endpoint=Endpoint(host="10.0.0.1"))
WITH_VIP = CLUSTER.replace(vip={"address": "10.0.0.100", "router_id": 7})
RUNS = UnitState("active", "running", "enabled")
VERSION = CLUSTER.kubernetes_version.tag
RECORD = HostRecord(done=(Done(task="m1/mark", run="r.0", step=TextFile(path="/etc/x", content="x"), before={}),))
NEW = Life("abc", datetime.now(UTC), datetime.now(UTC) + timedelta(days=365))


def master(number: int) -> Machine:
    return Machine.of(
        name=f"m{number}", address=f"10.0.0.{number}", roles="master", node_name=f"n{number}", version=VERSION
    )


def worker(number: int) -> Machine:
    return Machine.of(
        name=f"w{number}", address=f"10.0.1.{number}", roles="node", node_name=f"x{number}", version=VERSION
    )


def listed(machines: list[Machine], learners: tuple[int, ...] = ()) -> tuple[ListedMember, ...]:
    return tuple(
        ListedMember(number, str(machine.node_name), (str(machine.address),), number in learners)
        for number, machine in enumerate(machines, start=1)
        if machine.is_master
    )


def healthy(machine: Machine, machines: list[Machine], leader: int = 1, **changes: Any) -> MachineSeen:
    """A machine as it should be; masters come first, and their members are numbered from 1."""
    number = machines.index(machine) + 1
    said = EtcdSeen(number, leader, CLUSTER.release.etcd.removeprefix("v"), 20_000_000, False, (), listed(machines))
    seen = MachineSeen(
        facts=FACTS,
        units=dict.fromkeys(units_of(WITH_VIP, machine), RUNS),
        record=RECORD,
        certificates=(CertificateSeen("/etc/kubernetes/pki/apiserver.crt", NEW, ()),),
        etcd=said if machine.is_master else None,
        api="" if machine.is_master else None,
    )
    return replace(seen, **changes)


def healthy_api(machines: list[Machine], **nodes: Node) -> ApiSeen:
    runtime = CLUSTER.release.containerd.removeprefix("v")
    ready = {str(machine.node_name): Node("True", "", False, VERSION, runtime) for machine in machines}
    pods = {
        f"{name}-{machine.node_name}": True
        for machine in machines
        for name in ("kube-controller-manager", "kube-scheduler")
        if machine.is_master
    }
    return ApiSeen({**ready, **nodes}, pods, {"deployment/coredns": Workload(2, 2)})


GONE = HostUnreachable("m2 can't be reached", host="m2", seen="no answer in time", hint="see that the host is on")


def judged(
    machines: list[Machine],
    seen: Mapping[str, MachineSeen | KlusterKitError],
    api: ApiSeen | None,
    cluster: Cluster = PLACED,
) -> tuple[EtcdState | None, list[Component]]:
    drifted = {name: DriftSeen(1, {}) for name in seen}
    return judge(cluster, machines, seen, api, drifted)


def wrong(components: list[Component]) -> dict[tuple[str, str], Component]:
    return {(each.machine, each.name): each for each in components if not each.ok}
