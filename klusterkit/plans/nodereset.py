"""A node by itself leaves its cluster, and its host is made what it was, but for etcd: that is ``etcdadm``'s."""

from __future__ import annotations

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord
from klusterkit.plans.deletion import DrainOptions, Leaving
from klusterkit.plans.draft import Draft, Needs
from klusterkit.plans.leave import KEEPALIVED, KUBELET, Asked, drain
from klusterkit.plans.reset import ResetRequest, parts
from klusterkit.plans.revert import take_back
from klusterkit.plans.vip import narrow
from klusterkit.tasks.leaving import Cordon, DeleteNode


class NodeResetRequest(ResetRequest):
    """A host that is to be no node any more."""

    cluster: Cluster | None = None
    machine: Machine | None = None
    """The host as part of that; None where it never was."""
    masters: tuple[Machine, ...] = ()
    """Those that stay; the first is asked. Without any, the node is taken out of nothing."""
    drain: DrainOptions = DrainOptions()


def compile_node_reset(request: NodeResetRequest) -> Plan:
    """The plan that takes the node out of its cluster and off its host. Pure and deterministic: it reaches no host."""
    draft = Draft()
    etcd, node = parts(request.record)
    if request.masters and request.machine and node.done:
        _leave(draft, request, request.machine, node)
    else:
        take_back(draft.on(request.host), node)
    gone = [*(machine.name for machine in request.masters), *([] if etcd.done else [request.host])]
    return request.plan(draft, gone, cluster=None)


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
