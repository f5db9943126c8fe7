"""Whether an object in the API is ready, and why not, by its status (as kubectl's ``rollout status`` and ``wait``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from klusterkit.tasks.apiobject import Object

POD = ("", "Pod")
CONDITIONS = {
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "Established",
    ("apiregistration.k8s.io", "APIService"): "Available",
    ("batch", "Job"): "Complete",
    POD: "Ready",
}
"""Objects that are ready when one condition holds."""
REPLICATED = (("apps", "Deployment"), ("apps", "DaemonSet"), ("apps", "StatefulSet"))
"""Objects that are ready when enough pods are."""
KINDS = (*CONDITIONS, *REPLICATED)
"""By group and kind: all that can be waited for."""

_STARTING = ("ContainerCreating", "PodInitializing")


def missing(found: Object) -> str:
    """Why it isn't ready; nothing if it is, or nobody wants it to be yet."""
    spec, status = _spec(found), _status(found)
    if spec.get("paused") or spec.get("suspend"):
        return ""
    if wanted := CONDITIONS.get((found["apiVersion"].rpartition("/")[0], found["kind"])):
        return _unmet(found, wanted)
    if not _is_up_to_date(found):
        return "its controller has not looked at it yet"
    match found["kind"]:
        case "DaemonSet":
            wanted = status.get("desiredNumberScheduled", 0)
            updated = status.get("updatedNumberScheduled", 0) if _replaces_pods(found) else wanted
            return _lacking(wanted, updated, status.get("numberAvailable", 0))
        case "StatefulSet":
            wanted = spec.get("replicas", 1)
            updated = status.get("updatedReplicas", 0) + _kept_as_they_are(found)
            return _lacking(wanted, updated if _replaces_pods(found) else wanted, status.get("availableReplicas", 0))
        case _:
            return _of_deployment(spec, status)


def _unmet(found: Object, wanted: str) -> str:
    status = _status(found)
    if _condition(found, wanted) or status.get("phase") == "Succeeded":
        return ""
    if found["kind"] == "Job":
        return f"{status.get('succeeded', 0)} of {_spec(found).get('completions', 1)} completed"
    said = next((each.get("message") for each in _conditions(found) if each["type"] == wanted), None)
    return f"it is not {wanted}{f': {said}' if said else ''}"


def _of_deployment(spec: Any, status: Any) -> str:
    updated = status.get("updatedReplicas", 0)
    old = status.get("replicas", 0) - updated
    lacking = _lacking(spec.get("replicas", 1), updated, status.get("availableReplicas", 0))
    return lacking or (f"{old} old pods are still there" if old > 0 else "")


def _lacking(wanted: int, updated: int, available: int) -> str:
    if updated < wanted:
        return f"{updated} of {wanted} pods are up to date"
    return f"{available} of {wanted} pods are available" if available < wanted else ""


def _replaces_pods(found: Object) -> bool:
    """Whether the controller does, or waits until somebody deletes them."""
    return _spec(found).get("updateStrategy", {}).get("type") != "OnDelete"


def _kept_as_they_are(found: Object) -> int:
    """Pods of a StatefulSet that are to stay old: those before its partition."""
    return _spec(found).get("updateStrategy", {}).get("rollingUpdate", {}).get("partition") or 0


def hopeless(found: Object) -> str:
    """Why waiting doesn't help; nothing where it may. What a status says of an earlier form doesn't count."""
    match found["kind"]:
        case "Job":
            return _condition(found, "Failed")
        case "Pod" if _status(found).get("phase") == "Failed":
            return _status(found).get("message") or "it has failed"
        case "Deployment" if _is_up_to_date(found):
            late = [each for each in _conditions(found) if each.get("reason") == "ProgressDeadlineExceeded"]
            return late[0].get("message", "") if late else ""
        case _:
            return ""


def _is_up_to_date(found: Object) -> bool:
    return _status(found).get("observedGeneration", 0) >= found["metadata"].get("generation", 0)


def labels_of_pods(found: Object) -> dict[str, str]:
    """By which its pods are found; nothing for what has none."""
    selector: Object = _spec(found).get("selector") or {}
    return selector.get("matchLabels", {})


def refusals(found: Object) -> Iterator[str]:
    """Why no pods are made: quotas, admission."""
    if said := _condition(found, "ReplicaFailure"):
        yield said


def reasons(pod: Object) -> Iterator[str]:
    """Why a pod isn't ready: what the scheduler says, or its containers."""
    name, status = pod["metadata"]["name"], _status(pod)
    for condition in _conditions(pod):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"{name}: {condition.get('message') or condition.get('reason')}"
    containers: list[Object] = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in containers:
        if said := _trouble(container.get("state", {})):
            yield f"{name}/{container['name']}: {said}"


def _trouble(state: Object) -> str:
    waiting, ended = state.get("waiting"), state.get("terminated")
    if waiting and waiting.get("reason") not in _STARTING:
        return ": ".join(part for part in (waiting.get("reason"), waiting.get("message")) if part)
    if ended and ended.get("exitCode"):
        return f"ended with status {ended['exitCode']} ({ended.get('reason')})"
    return ""


def _condition(found: Object, name: str) -> str:
    """What a condition says that holds; nothing of one that doesn't."""
    held = next((each for each in _conditions(found) if each["type"] == name and each["status"] == "True"), None)
    return held.get("message") or held.get("reason") or name if held else ""


def _conditions(found: Object) -> list[Object]:
    return _status(found).get("conditions") or []


def _spec(found: Object) -> Any:
    return found.get("spec") or {}


def _status(found: Object) -> Any:
    return found.get("status") or {}
