"""Delete machines: pods, votes and nodes leave in order, then each host is made what it was.

It reads as the list of what happens. Hosts that are gone for good are left out: what the cluster has of them goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord
from klusterkit.pki import AuthorityName
from klusterkit.plans.draft import Draft, HostDraft
from klusterkit.plans.files.etcd import DATA
from klusterkit.plans.revert import ends, take_back
from klusterkit.tasks.leaving import Cordon, DeleteNode, Drain

KUBELET = "kubelet.service"
FOREVER = 30 * 24 * 3600.0
"""Seconds that draining may take where the operator sets no limit."""
SPARE = 120.0
"""Seconds past its own limit that draining may take to notice it."""

AUTHORITIES = (*(f"{name}.{part}" for name in AuthorityName for part in ("crt", "key")), "sa.key", "sa.pub")
"""Secrets that vouch for a cluster, and for nothing once it is deleted."""


class DrainOptions(BaseModel):
    """How pods are made to leave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    skip: bool = False
    """Leave them to end with their host."""
    within: float | None = 300.0
    """Seconds for all pods of a node; None for no limit."""
    force: bool = False
    """Whether pods go that nothing makes anew elsewhere."""
    grace: int | None = None
    """Seconds that each pod gets to end; None for what it says itself."""


class Leaving(BaseModel):
    """A machine that leaves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: Machine
    record: HostRecord | None = None
    """What was done to its host; None for a host that is gone for good."""

    @property
    def node(self) -> str:
        """Its name in Kubernetes."""
        return self.machine.node_name or self.machine.name


class DeleteRequest(BaseModel):
    """Machines that are to leave a cluster, and what stays of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: Cluster
    leaving: tuple[Leaving, ...]
    staying: tuple[Machine, ...] = ()
    asked_on: str | None = None
    """The name of the master that stays and is asked; None where none stays: then the cluster ends."""
    forget: bool = False
    """Whether the description of the cluster and its authorities go with the last machine."""
    facts: dict[str, Facts] = {}
    """Of the hosts that are changed."""
    drain: DrainOptions = DrainOptions()
    keep_uploads: bool = False
    """Whether what was uploaded stays on the hosts, for the next time."""
    lineage: str
    serial: int
    operation: str = "delete machine"


def compile_delete(request: DeleteRequest) -> Plan:
    """The plan that makes the request's machines leave. Pure and deterministic: it reaches no host."""
    draft = Draft()
    living = [each for each in request.leaving if each.record is not None]
    if request.asked_on is None:
        _take_down(draft, living)
    else:
        _leave(draft, request, draft.on(request.asked_on))
    return Plan(
        operation=request.operation,
        lineage=request.lineage,
        serial=request.serial,
        tasks=tuple(draft.tasks),
        budgets=draft.budgets,
        facts={name: facts.stable() for name, facts in request.facts.items()},
        outcome=_outcome(request),
    )


def _leave(draft: Draft, request: DeleteRequest, asked: HostDraft) -> None:
    """Out of a cluster that goes on."""
    living = [each for each in request.leaving if each.record is not None]
    for gone in request.leaving:
        if gone.record is None:
            asked.add(f"leave/{gone.node}/node", DeleteNode(node=gone.node), cost=0.3)
    # All of them first: a pod that leaves one is not to come to another.
    cordoned = [asked.add(f"leave/{each.node}/cordon", Cordon(node=each.node), cost=0.2) for each in living]
    for each in living:
        drained = _drain(asked, each, request.drain, cordoned)
        tasks = take_back(draft.on(each.machine.name), each.record or HostRecord(), drained)
        # A kubelet that runs could register the node again.
        asked.add(f"leave/{each.node}/node", DeleteNode(node=each.node), drained, tasks.get(KUBELET, ()), cost=0.3)


def _drain(asked: HostDraft, leaving: Leaving, options: DrainOptions, cordoned: Sequence[str]) -> list[str]:
    if options.skip:
        return list(cordoned)
    step = Drain(node=leaving.node, within=options.within, force=options.force, grace=options.grace)
    timeout = FOREVER if options.within is None else options.within + SPARE
    return [asked.add(f"leave/{leaving.node}/drain", step, cordoned, cost=10.0, timeout=timeout)]


def _take_down(draft: Draft, living: Sequence[Leaving]) -> None:
    """All of a cluster at once. What etcd holds goes last: until then the cluster can come back."""
    records = {each.machine.name: each.record or HostRecord() for each in living}
    others = [end for host, record in records.items() for end in ends(host, record, but=[DATA])]
    for host, record in records.items():
        take_back(draft.on(host), record, last={DATA: others})


def _outcome(request: DeleteRequest) -> dict[str, Any]:
    removed: dict[str, Any] = {"machines": [each.machine.name for each in request.leaving]}
    if request.keep_uploads:
        removed["keep"] = ["artifacts"]
    if request.forget:
        return {"cluster": None, "removed": {**removed, "secrets": list(AUTHORITIES)}}
    endpoint = request.cluster.endpoint
    left = {str(each.machine.address) for each in request.leaving}
    if request.asked_on is None and endpoint is not None and endpoint.host in left:
        return {"cluster": request.cluster.replace(endpoint=None).to_object(), "removed": removed}
    return {"removed": removed}
