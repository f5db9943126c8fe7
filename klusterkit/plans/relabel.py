"""Other labels or taints for nodes that are there, in the cluster and for the day when a kubelet registers anew."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Machine, Taint
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.plans.draft import Draft, HostDraft
from klusterkit.plans.files import kubelet
from klusterkit.plans.request import taints_of
from klusterkit.plans.shared import text_file
from klusterkit.tasks.nodemarks import NodeLabels, NodeTaints


class RelabelRequest(BaseModel):
    """Machines as they are and as they are to be, which differ in labels, taints and logins alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    changed: tuple[tuple[Machine, Machine], ...]
    asked_on: str
    """The name of the master that the cluster is asked on."""
    facts: dict[str, Facts]
    """Of the hosts that the plan touches."""
    lineage: str
    serial: int

    @property
    def operation(self) -> str:
        """The request in the operator's words."""
        return f"apply changes of {', '.join(after.name for _, after in self.changed)}"


def compile_relabel(request: RelabelRequest) -> Plan:
    """The plan. Pure and deterministic: it reaches no host."""
    draft = Draft()
    for before, after in request.changed:
        _change(draft, draft.on(request.asked_on), before, after)
    hosts = dict.fromkeys(task.host for task in draft.tasks)
    outcome = {"machines": [after.to_object() for _, after in request.changed]}
    return draft.plan(request, {host: request.facts[host] for host in hosts}, outcome)


def _change(draft: Draft, cluster: HostDraft, before: Machine, after: Machine) -> None:
    node = str(after.node_name)
    labels = {key: after.labels.get(key) for key in sorted({*before.labels, *after.labels})}
    changed = {key: value for key, value in labels.items() if before.labels.get(key) != value}
    was, wanted = ([str(taint) for taint in taints_of(machine)] for machine in (before, after))
    if changed:
        cluster.add(f"labels/{node}", NodeLabels(node=node, labels=changed), cost=0.3)
    if was != wanted:
        cluster.add(f"taints/{node}", _taints(node, taints_of(before), taints_of(after)), cost=0.3)
    if changed or was != wanted:
        flags = kubelet.flags(node, str(after.address), after.labels, tuple(wanted))
        draft.on(after.name).add("kubelet/flags", text_file(kubelet.FLAGS_PATH, flags))


def _taints(node: str, before: Sequence[Taint], after: Sequence[Taint]) -> NodeTaints:
    places = {(taint.key, taint.effect) for taint in after}
    gone = [taint for taint in before if (taint.key, taint.effect) not in places]
    return NodeTaints(node=node, taints=tuple(map(str, after)), gone=tuple(map(str, gone)))
