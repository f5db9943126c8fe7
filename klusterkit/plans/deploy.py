"""Deploy objects of the operator's own: each is applied when what it needs is there, and waited for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, auto

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan, Retry
from klusterkit.plans.draft import Draft, HostDraft, Needs
from klusterkit.tasks.apiobject import Object, Reference
from klusterkit.tasks.deploying import Deploy
from klusterkit.tasks.rollout import RolledOut

AT_ONCE = 4
"""Requests that one master is asked at the same time: each is a kubectl, which takes a processor for 0.1 s."""
WITHIN = 180.0
"""Seconds for one object. Its undo waits until its pods have ended."""

NAMESPACE = ("", "Namespace")
DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
RUNNING = (
    *(("", "Pod"), ("", "ReplicationController"), ("batch", "Job"), ("batch", "CronJob")),
    *(("apps", kind) for kind in ("Deployment", "DaemonSet", "StatefulSet", "ReplicaSet")),
)
"""Objects that pods come from, by group and kind. Pods need accounts, configuration, volumes, quotas: all the rest."""
ANSWERED = (
    ("apiregistration.k8s.io", "APIService"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
)
"""Objects that make the API server ask pods."""


class DeployRequest(BaseModel):
    """What is to be there, and on which master the cluster is asked for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str
    objects: tuple[Deploy, ...]
    waited: tuple[Reference, ...] = ()
    """Objects that have to be ready in the end, whether they are applied or are there already."""
    within: float = 300.0
    """Seconds for each of them to get ready."""
    asked_on: str
    facts: Facts
    """Of that master."""
    lineage: str
    serial: int


class Turn(IntEnum):
    """When an object has its turn among those that are deployed with it: some need others, in this order."""

    NAMESPACE = auto()
    DEFINITION = auto()
    OTHER = auto()
    RUNNING = auto()
    ANSWERED = auto()
    CUSTOM = auto()
    """Of a kind that is deployed too."""


TURNS = {
    NAMESPACE: Turn.NAMESPACE,
    DEFINITION: Turn.DEFINITION,
    **dict.fromkeys(RUNNING, Turn.RUNNING),
    **dict.fromkeys(ANSWERED, Turn.ANSWERED),
}


def compile_deploy(request: DeployRequest) -> Plan:
    """The plan. Pure and deterministic: it reaches no host."""
    draft = Draft()
    draft.budgets["requests"] = AT_ONCE
    on = draft.on(request.asked_on)
    applied = _apply(on, request.objects)
    for target in request.waited:
        if target not in applied or target.type != DEFINITION:
            _wait(on, target, applied.get(target, ()), request.within)
    return draft.plan(request, {request.asked_on: request.facts})


def _apply(on: HostDraft, objects: Sequence[Deploy]) -> dict[Reference, str]:
    """Returns the tasks by their objects."""
    defined = {kind_of(each.manifest) for each in objects if each.target.type == DEFINITION}
    turns = {
        each.target: Turn.CUSTOM if each.target.type in defined else TURNS.get(each.target.type, Turn.OTHER)
        for each in objects
    }
    done: dict[Reference, str] = {}
    served: dict[tuple[str, str], str] = {}
    for each in sorted(objects, key=lambda each: turns[each.target]):
        target = each.target
        earlier = [task for other, task in done.items() if _is_needed(other, turns[other], target, turns[target])]
        kind = [served[target.type]] if target.type in served else []
        done[target] = on.add(
            f"objects/{target.path}", each, earlier, kind, cost=0.5, timeout=WITHIN, budgets=("requests",)
        )
        if target.type == DEFINITION:
            served[kind_of(each.manifest)] = _wait(on, target, done[target], WITHIN)
    return done


def kind_of(definition: Object) -> tuple[str, str]:
    """Group and kind of the objects that a definition defines."""
    spec = definition["spec"]
    return spec["group"], spec["names"]["kind"]


def _is_needed(other: Reference, turn: Turn, target: Reference, of_target: Turn) -> bool:
    match turn, of_target:
        case Turn.NAMESPACE, _:
            return other.name == target.namespace
        case Turn.OTHER, Turn.RUNNING:
            return other.namespace in ("", target.namespace)
        case Turn.RUNNING, Turn.ANSWERED | Turn.CUSTOM:
            # Pods take custom objects away again: without them, these would wait for ever for their finalizers.
            return True
        case _:
            return False


def _wait(on: HostDraft, target: Reference, needs: Needs, within: float) -> str:
    """Tried once: within its time, all that may pass has passed."""
    step = RolledOut(target=target)
    return on.add(f"ready/{target.path}", step, needs, cost=3.0, timeout=within, retry=Retry(attempts=1))
