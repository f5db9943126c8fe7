"""A node by itself leaves its cluster, and its host is made what it was, but for etcd: that is ``etcdadm``'s."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord
from klusterkit.plans.deletion import DrainOptions, Leaving
from klusterkit.plans.draft import Draft, Needs
from klusterkit.plans.leave import KEEPALIVED, KUBELET, Asked, drain
from klusterkit.plans.revert import take_back
from klusterkit.plans.vip import narrow
from klusterkit.tasks.leaving import Cordon, DeleteNode

_ETCD = ("etcd", "etcdctl")
"""What the paths of its tasks begin with."""


class NodeResetRequest(BaseModel):
    """A host that is to be no node any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    facts: Facts
    record: HostRecord
    """All that was done there."""
    cluster: Cluster | None = None
    machine: Machine | None = None
    """The host as part of that; None where it never was."""
    masters: tuple[Machine, ...] = ()
    """Those that stay; the first is asked. Without any, the node is taken out of nothing."""
    drain: DrainOptions = DrainOptions()
    keep: tuple[str, ...] = ()
    """Of KlusterKit's own folder."""
    others: bool = False
    """Whether the host may belong to another state than the one that this is planned from."""
    lineage: str
    serial: int
    operation: str = "nodeadm reset"


def compile_node_reset(request: NodeResetRequest) -> Plan:
    """The plan that takes the node out of its cluster and off its host. Pure and deterministic: it reaches no host."""
    draft = Draft()
    etcd, node = parts(request.record)
    if request.masters and request.machine and node.done:
        _leave(draft, request, request.machine, node)
    else:
        take_back(draft.on(request.host), node)
    gone = [*(machine.name for machine in request.masters), *([] if etcd.done else [request.host])]
    removed: dict[str, Any] = {"machines": gone, "keep": list(request.keep)}
    return Plan(
        operation=request.operation,
        lineage=request.lineage,
        serial=request.serial,
        tasks=tuple(draft.tasks),
        budgets=draft.budgets,
        facts={request.host: request.facts.stable()},
        outcome={"cluster": None, "removed": {**removed, **({"others": True} if request.others else {})}},
    )


def _leave(draft: Draft, request: NodeResetRequest, machine: Machine, record: HostRecord) -> None:
    """Pods first, then the host, and when no kubelet could register it again, the node."""
    asked, leaving = Asked(draft.on(request.masters[0].name)), Leaving(machine=machine)
    cordoned = [asked.add(leaving, "cordon", Cordon(node=leaving.node))]
    drained = drain(asked, leaving, request.drain, cordoned)
    tasks = take_back(draft.on(request.host), record, drained)
    told: list[Needs] = []
    if machine.is_master and request.cluster and request.cluster.vip:
        stopped = tasks.get(KEEPALIVED, ())
        told = [narrow(request.cluster.vip, draft, each, request.masters, drained, stopped) for each in request.masters]
    asked.add(leaving, "node", DeleteNode(node=leaving.node), drained, tasks.get(KUBELET, ()), *told)


def parts(record: HostRecord) -> tuple[HostRecord, HostRecord]:
    """What was done for the host's member of etcd, and what for its node."""
    etcd = tuple(done for done in record.done if done.task.split("/")[1] in _ETCD)
    node = tuple(done for done in record.done if done not in etcd)
    return HostRecord(done=etcd), HostRecord(done=node)
