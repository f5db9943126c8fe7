"""How machines leave a cluster that goes on: pods, address, API server and vote first, then the host, and the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from klusterkit.cluster import Machine
from klusterkit.engine.record import HostRecord
from klusterkit.engine.step import Step
from klusterkit.plans.control_plane import STATIC
from klusterkit.plans.deletion import DeleteRequest, DrainOptions, Leaving
from klusterkit.plans.draft import Draft, HostDraft, Needs
from klusterkit.plans.files import etcd
from klusterkit.plans.revert import take_back
from klusterkit.plans.vip import UNIT as KEEPALIVED
from klusterkit.plans.vip import narrow
from klusterkit.tasks.gates import ApiAnswers, ApiStopped
from klusterkit.tasks.kubelet import STATIC_PODS
from klusterkit.tasks.leaving import Cordon, DeleteNode, Drain, Gone
from klusterkit.tasks.membership import Leave, Spared

KUBELET = "kubelet.service"
MANIFESTS = {name: f"{STATIC_PODS}/{program}.yaml" for name, program in STATIC.items()}
FOREVER = 30 * 24 * 3600.0
"""Seconds that draining may take where the operator sets no limit."""
SPARE = 120.0
"""Seconds past its own limit that draining may take to notice it."""
LOOKING = 30.0
"""Seconds that an attempt waits for members of etcd that may just be coming back."""


@dataclass(frozen=True)
class Asked:
    """The master that stays and is asked, with what it is asked about each machine that leaves."""

    host: HostDraft

    def id(self, leaving: Leaving, what: str) -> str:
        """Of such a task."""
        return f"{self.host.host}/leave/{leaving.node}/{what}"

    def add(self, leaving: Leaving, what: str, step: Step, *needs: Needs, cost: float = 0.3, **more: Any) -> str:
        """Add a task, with ``more`` of what :meth:`HostDraft.add` takes."""
        return self.host.add(f"leave/{leaving.node}/{what}", step, *needs, cost=cost, **more)


def leave(draft: Draft, request: DeleteRequest, host: HostDraft) -> None:
    """Make machines leave. ``host`` is that of the master that is asked.

    Until the first vote goes, all of it can be undone: so whatever may be in the way comes before.
    """
    asked = Asked(host)
    gone = {each.node: asked.add(each, "gone", gone_gate(each), timeout=LOOKING) for each in request.gone}
    # Before any is drained: a pod that leaves one is not to come to another.
    cordoned = [asked.add(each, "cordon", Cordon(node=each.node)) for each in request.living]
    drained = {each.node: drain(asked, each, request.drain, cordoned) for each in request.living}
    ready: list[Needs] = [*gone.values(), *drained.values()]
    stopped = [*gone.values()]
    for each in request.living:
        if each.machine.is_master:
            address, api = _master(draft, asked, each, request, drained[each.node])
            stopped.append(address)
            ready.append(api)
        else:
            tasks = take_back(draft.on(each.machine.name), each.record or HostRecord(), drained[each.node])
            # A kubelet that runs could register the node again.
            asked.add(each, "node", DeleteNode(node=each.node), drained[each.node], tasks.get(KUBELET, ()))
    ready += _tell_masters(draft, request, stopped)
    _votes(asked, request, ready)
    for each in request.gone:
        before = asked.id(each, "vote") if each.machine.is_master else gone[each.node]
        asked.add(each, "node", DeleteNode(node=each.node), before)


def gone_gate(leaving: Leaving) -> Gone:
    """Whether it is gone for good, as others see it."""
    client = etcd.client_url(str(leaving.machine.address)) if leaving.machine.is_master else None
    return Gone(node=leaving.node, client=client)


def drain(asked: Asked, leaving: Leaving, options: DrainOptions, cordoned: Sequence[str]) -> Sequence[str]:
    """Make its pods leave. Returns the tasks after which they have, as far as they should."""
    if options.skip:
        return cordoned
    step = Drain(node=leaving.node, **options.model_dump(exclude={"skip", "at_once"}))
    timeout = FOREVER if options.within is None else options.within + SPARE
    if options.at_once:
        asked.host.draft.budgets["drains"] = options.at_once
    budgets = ("drains",) if options.at_once else ()
    return [asked.add(leaving, "drain", step, cordoned, cost=10.0, timeout=timeout, budgets=budgets)]


def _master(draft: Draft, asked: Asked, leaving: Leaving, request: DeleteRequest, drained: Needs) -> tuple[str, str]:
    """A master: before its vote goes, its clients go to the others, and none is cut off.

    Returns the tasks after which it has not the virtual address any more, and no API server.
    """
    on, address, vote = draft.on(leaving.machine.name), asked.id(leaving, "address"), asked.id(leaving, "vote")
    first: dict[str, Needs] = {KEEPALIVED: drained, **dict.fromkeys(MANIFESTS.values(), address)}
    tasks = take_back(on, leaving.record or HostRecord(), vote, first=first)
    moved = tasks.get(KEEPALIVED, drained)
    asked.add(leaving, "address", ApiAnswers(server=endpoint_url(request)), moved)
    api = on.add("leave/api", ApiStopped(), tasks.get(MANIFESTS["apiserver"], address), cost=2.0)
    asked.add(leaving, "node", DeleteNode(node=leaving.node), vote, tasks.get(KUBELET, ()))
    return address, api


def endpoint_url(request: DeleteRequest) -> str:
    """Where clients find the API."""
    return request.cluster.endpoint.url if request.cluster.endpoint else ""


def _tell_masters(draft: Draft, request: DeleteRequest, stopped: Sequence[str]) -> list[Needs]:
    """Those that stay expect nothing more of those that leave."""
    vip = request.cluster.vip
    if vip is None or not list(request.voters()):
        return []
    answering = [machine for machine in request.masters if machine.name not in request.silent]
    return [narrow(vip, draft, machine, request.masters, stopped) for machine in answering]


def _votes(asked: Asked, request: DeleteRequest, ready: Sequence[Needs]) -> None:
    """One after the other, each asked of those that have one then. Before the first, it is seen that none is missed."""
    voters = list(request.voters())
    if not voters:
        return
    left = [each.machine for each in request.living if each.machine.is_master]
    spared = Spared(leaving=tuple(map(_peer, voters)), through=_clients(*request.masters, *left))
    before: list[Needs] = [asked.host.add("leave/spared", spared, *ready, cost=0.3, timeout=LOOKING)]
    for each in voters:
        left = [machine for machine in left if machine != each.machine]
        step = Leave(
            name=each.node,
            peer=_peer(each),
            through=_clients(*request.masters, *left),
            client=etcd.client_url(str(each.machine.address)) if each.record else None,
        )
        before = [asked.add(each, "vote", step, *before, cost=1.0)]


def _peer(leaving: Leaving) -> str:
    return etcd.peer_url(str(leaving.machine.address))


def _clients(*machines: Machine) -> tuple[str, ...]:
    return tuple(etcd.client_url(str(machine.address)) for machine in machines)
