"""Looking at one machine, and at the cluster through one master. Nothing is changed; every question has its time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import PermanentError
from klusterkit.engine.host import Completed, Host
from klusterkit.engine.record import HostRecord
from klusterkit.plans import vip
from klusterkit.session.running.records import Records
from klusterkit.session.status import certificates
from klusterkit.session.status.seen import ApiSeen, EtcdSeen, ListedMember, MachineSeen, Node, UnitState, Workload
from klusterkit.tasks import etcdctl, kubectl
from klusterkit.tasks.certificates import Issued
from klusterkit.tasks.gates import unready

PATIENCE = 6.0
"""Seconds for one question."""

UNITS = ("containerd.service", "kubelet.service")
MASTER_UNITS = ("etcd.service", *UNITS)

NAMESPACES = ("kube-system", "kube-flannel")
"""Of the workloads that a cluster can't do without."""


def units_of(cluster: Cluster, machine: Machine) -> tuple[str, ...]:
    """The units that should run there."""
    if not machine.is_master:
        return UNITS
    return (*MASTER_UNITS, vip.UNIT) if cluster.vip else MASTER_UNITS


def look_at(
    host: Host, cluster: Cluster, machine: Machine, records: Records, secret: Callable[[str], bytes]
) -> MachineSeen:
    """All that the machine says of itself. Raises ``HostUnreachable``, ``HostRefused``."""
    master, record = machine.is_master, _record(host, records)
    issued = [step for step in record.latest().values() if isinstance(step, Issued)] if record else []
    return MachineSeen(
        facts=host.facts(),
        units=_units(host, units_of(cluster, machine)),
        record=record,
        certificates=certificates.look(host, issued, secret),
        etcd=_etcd(host) if master else None,
        api=_readiness(host) if master else None,
    )


def _record(host: Host, records: Records) -> HostRecord | None:
    try:
        return records.read(host)
    except PermanentError:
        return None


def _units(host: Host, names: tuple[str, ...]) -> dict[str, UnitState]:
    properties = "--property=Id,ActiveState,SubState,UnitFileState,NRestarts"
    shown = host.run(["systemctl", "show", properties, *names], timeout=PATIENCE)
    found: dict[str, UnitState] = {}
    for block in shown.text.split("\n\n"):
        said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in said:
            restarts = said.get("NRestarts", "")
            found[said["Id"]] = UnitState(
                said.get("ActiveState", ""),
                said.get("SubState", ""),
                said.get("UnitFileState", ""),
                int(restarts) if restarts.isdigit() else 0,
            )
    return found


def _etcd(host: Host) -> EtcdSeen | str:
    """The member's own view: it is told without asking the others, so that it is told when there is no quorum, too."""
    status = _etcdctl(host, "endpoint", "status")
    listed = _etcdctl(host, "member", "list", "--consistency=s")
    if not (status.ok and listed.ok):
        return _last_line(listed if status.ok else status)
    said: dict[str, Any] = json.loads(status.out)[0]["Status"]
    return EtcdSeen(
        id=said["header"]["member_id"],
        leader=said.get("leader", 0),
        version=said.get("version", ""),
        size=said.get("dbSize", 0),
        learner=said.get("isLearner", False),
        errors=tuple(said.get("errors", ())),
        members=tuple(_member(each) for each in json.loads(listed.out)["members"]),
    )


def _member(said: dict[str, Any]) -> ListedMember:
    hosts = tuple(url.partition("://")[2].rpartition(":")[0].strip("[]") for url in said.get("peerURLs", ()))
    return ListedMember(said["ID"], said.get("name", ""), hosts, said.get("isLearner", False))


def _etcdctl(host: Host, *arguments: str) -> Completed:
    command = etcdctl.command([etcdctl.LOCAL], "--write-out=json", *arguments)
    return host.run(command, timeout=PATIENCE)


def _readiness(host: Host) -> str:
    """Of the API server beside it, whoever else may serve the cluster."""
    ended = host.run(kubectl.command("get", "--raw=/readyz", _LIMIT), timeout=PATIENCE)
    return "" if ended.ok else unready(ended) or _last_line(ended)


_LIMIT = f"--request-timeout={PATIENCE - 1:.0f}s"


def _last_line(ended: Completed) -> str:
    lines = [line for line in ended.said.splitlines() if not line.startswith("{")]  # etcdctl logs in JSON beside that
    return lines[-1].removeprefix("Error: ") if lines else f"no answer (status {ended.rc})"


def look_through(host: Host) -> ApiSeen:
    """What the API server beside tells of the cluster: by as few programs as can be, each costs 100 ms."""
    objects = [*_rows(host, ["nodes,daemonsets,deployments", "--all-namespaces"], _OBJECT)]
    control_plane = ["pods", "--namespace=kube-system", "--selector=tier=control-plane"]
    return ApiSeen(
        nodes=dict(_node(row) for row in objects if row["kind"] == "Node"),
        ready_pods={row["name"]: row["ready"] == "True" for row in _rows(host, control_plane, _POD)},
        workloads=dict(_workload(row) for row in objects if row["namespace"] in NAMESPACES),
    )


_READY = '.status.conditions[?(@.type=="Ready")]'
_POD = {"name": ".metadata.name", "ready": f"{_READY}.status"}
_OBJECT = {
    "kind": ".kind",
    "namespace": ".metadata.namespace",
    "name": ".metadata.name",
    "ready": f"{_READY}.status",
    "cordoned": ".spec.unschedulable",
    "kubelet": ".status.nodeInfo.kubeletVersion",
    "runtime": ".status.nodeInfo.containerRuntimeVersion",
    "scheduled": ".status.desiredNumberScheduled",
    "scheduled_ready": ".status.numberReady",
    "replicas": ".spec.replicas",
    "replicas_ready": ".status.readyReplicas",
    "message": f"{_READY}.message",
}
"""What is asked of nodes, and of the two kinds of workloads that a cluster can't do without."""


def _rows(host: Host, what: list[str], fields: Mapping[str, str]) -> Iterator[dict[str, str]]:
    each = '{"\\t"}'.join(f"{{{path}}}" for path in fields.values())
    form = "--output=jsonpath={range .items[*]}" + each + '{"\\n"}{end}'
    ended = host.run(kubectl.command("get", *what, form, _LIMIT), timeout=PATIENCE)
    for line in ended.out.decode(errors="replace").splitlines() if ended.ok else ():
        values = line.split("\t")
        if len(values) == len(fields):
            yield dict(zip(fields, values, strict=True))


def _node(row: Mapping[str, str]) -> tuple[str, Node]:
    runtime = row["runtime"].rpartition("//")[2]
    return row["name"], Node(row["ready"], row["message"], row["cordoned"] == "true", row["kubelet"], runtime)


def _workload(row: Mapping[str, str]) -> tuple[str, Workload]:
    wanted, ready = (
        (row["scheduled"], row["scheduled_ready"])
        if row["kind"] == "DaemonSet"
        else (row["replicas"], row["replicas_ready"])
    )
    return f"{row['kind'].lower()}/{row['name']}", Workload(int(wanted or 0), int(ready or 0))
