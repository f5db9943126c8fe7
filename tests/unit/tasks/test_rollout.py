"""What was deployed is waited for until it is ready, and what isn't ready says why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from step_world import World

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Machine
from klusterkit.tasks.apiobject import Reference
from klusterkit.tasks.kubectl import KUBECTL
from klusterkit.tasks.readiness import hopeless, missing, reasons
from klusterkit.tasks.rollout import RolledOut
from tests.support.posix import said

TARGET = Reference(version="apps/v1", kind="Deployment", name="server", namespace="web")


def item(kind: str, spec: dict[str, Any], generation: int = 1, **status: Any) -> dict[str, Any]:
    version = {"Job": "batch/v1", "Pod": "v1", "CustomResourceDefinition": "apiextensions.k8s.io/v1"}.get(
        kind, "apps/v1"
    )
    metadata = {"name": "server", "generation": generation}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


def condition(kind: str, status: str = "True", **more: str) -> dict[str, str]:
    return {"type": kind, "status": status, **more}


def deployment(**status: int) -> dict[str, Any]:
    done = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return item("Deployment", {"replicas": 2}, observedGeneration=1, **{**done, **status})


PARTITIONED = {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (deployment(), ""),
        (deployment(updatedReplicas=1), "1 of 2 pods are up to date"),
        (deployment(availableReplicas=0), "0 of 2 pods are available"),
        (deployment(replicas=3), "1 old pods are still there"),
        (item("Deployment", {"replicas": 0}, observedGeneration=1), ""),
        (item("Deployment", {"replicas": 2, "paused": True}), ""),
        (item("Deployment", {"replicas": 2}, generation=2, observedGeneration=1), "its controller has not looked"),
        (
            item("DaemonSet", {}, desiredNumberScheduled=2, updatedNumberScheduled=1, observedGeneration=1),
            "1 of 2 pods",
        ),
        (item("DaemonSet", ON_DELETE, desiredNumberScheduled=2, numberAvailable=2, observedGeneration=1), ""),
        (item("StatefulSet", PARTITIONED, updatedReplicas=2, availableReplicas=3, observedGeneration=1), ""),
        (item("StatefulSet", PARTITIONED, updatedReplicas=1, availableReplicas=3, observedGeneration=1), "2 of 3 pods"),
        (item("Job", {"completions": 3}, succeeded=1), "1 of 3 completed"),
        (item("Job", {}, conditions=[condition("Complete")]), ""),
        (item("Job", {"suspend": True}), ""),
        (
            item("Pod", {}, conditions=[condition("Ready", "False", message="containers not ready")]),
            "not Ready: containers",
        ),
        (item("Pod", {}, phase="Succeeded"), ""),
        (item("CustomResourceDefinition", {}), "it is not Established"),
        (item("CustomResourceDefinition", {}, conditions=[condition("Established")]), ""),
    ],
)
def test_an_object_is_ready_when_all_of_its_latest_form_is(found: dict[str, Any], why: str) -> None:
    assert missing(found) == why if not why else why in missing(found)


LATE = condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="timed out progressing")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (deployment(availableReplicas=0), ""),
        (item("Deployment", {}, observedGeneration=1, conditions=[LATE]), "timed out progressing"),
        (item("Deployment", {}, generation=2, observedGeneration=1, conditions=[LATE]), ""),
        (item("Job", {}, conditions=[condition("Failed", message="too many retries")]), "too many retries"),
        (item("Pod", {}, phase="Failed"), "it has failed"),
    ],
)
def test_waiting_is_given_up_where_it_cannot_help_and_not_for_what_was_before(found: dict[str, Any], why: str) -> None:
    assert hopeless(found) == why


def test_a_pod_says_what_keeps_it() -> None:
    waiting = {"name": "main", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
    ended = {"name": "init", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}
    starting = {"name": "side", "state": {"waiting": {"reason": "ContainerCreating"}}}
    unplaced = condition("PodScheduled", "False", message="0/1 nodes are available")
    status = {"conditions": [unplaced], "initContainerStatuses": [ended], "containerStatuses": [waiting, starting]}
    assert list(reasons({"metadata": {"name": "p"}, "status": status})) == [
        "p: 0/1 nodes are available",
        "p/init: ended with status 3 (Error)",
        "p/main: ErrImagePull: no such image",
    ]


def world(found: dict[str, Any] | None, *pods: dict[str, Any]) -> World:
    def kubectl(_: Machine, argv: Sequence[str], __: bytes) -> Completed:
        if "pods" in argv:
            assert "--selector=app=server" in argv
            assert "--namespace=web" in argv
            return said(out=json.dumps({"items": pods}))
        assert {"Deployment.v1.apps/server", "--namespace=web"} <= {*argv}
        return said(out=json.dumps(found) if found else "")

    made = World()
    made.host.program(KUBECTL, kubectl)
    return made


def test_what_is_not_ready_is_told_with_the_reasons_of_its_pods_a_few_of_them() -> None:
    state = {"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    pods = [{"metadata": {"name": f"p{number}"}, "status": {"containerStatuses": [state]}} for number in range(8)]
    found = deployment(availableReplicas=0)
    found["spec"]["selector"] = {"matchLabels": {"app": "server"}}
    found["status"]["conditions"] = [condition("ReplicaFailure", message="exceeded quota")]
    lines = world(found, *pods).observe(RolledOut(target=TARGET)).reason.splitlines()
    assert lines[:3] == ["0 of 2 pods are available", "exceeded quota", "p0/c: CrashLoopBackOff"]
    assert lines[-1] == "and 2 more"


def test_what_has_failed_for_good_ends_the_wait_and_says_what_to_do() -> None:
    failed = item("Deployment", {}, observedGeneration=1, conditions=[LATE])
    made = world(failed)
    with pytest.raises(CommandFailed, match="Deployment web/server has failed") as caught:
        RolledOut(target=TARGET).apply(made.on(), {})
    assert "cctl rollback" in str(caught.value.hint)


def test_what_is_not_there_is_not_ready() -> None:
    assert world(None).observe(RolledOut(target=TARGET)).reason == "it is not there"
