"""Pods that the API knows: those of Deployments, which any node may have, and those of the proofs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from klusterkit.plans.network import DNS
from tests.simulation.real.programs.node import CONTROL_PLANE, Node

DEPLOYMENT = next(name for name in DNS if name.startswith("deployment/"))
REPLICAS = ("coredns-1", "coredns-2")
WANDERING = re.compile("|".join(REPLICAS))
"""Pods that may be on any node, and come to others when theirs goes."""

Objects = dict[str, Any]


def pods_on(objects: Mapping[str, Any], node: str) -> list[str]:
    """Names of the pods that the API has for a node, without those that each node has for itself."""
    return [name.removeprefix("pod/") for name, item in objects.items() if _is_on(name, item, node)]


def _is_on(name: str, item: Any, node: str) -> bool:
    return name.startswith("pod/") and item["node"] == node


def place(objects: Objects, nodes: Mapping[str, Node]) -> None:
    """What controllers and the scheduler do: what belonged to nodes that are gone goes, and pods are made anew."""
    for name in [name for name in objects if name.startswith(("pod/", "lease/"))]:
        node = name.removeprefix("lease/") if name.startswith("lease/") else objects[name]["node"]
        if f"node/{node}" not in objects:
            del objects[name]
    able = [name for name, node in nodes.items() if _takes_pods(objects, name, node)]
    for pod in REPLICAS if DEPLOYMENT in objects and able else ():
        if f"pod/{pod}" not in objects:
            at = min(able, key=lambda name: (_replicas_on(objects, name), name))
            image = nodes[at].containerd.image("coredns")
            objects[f"pod/{pod}"] = {"node": at, "image": image, "controller": "ReplicaSet"}


def _replicas_on(objects: Objects, node: str) -> int:
    """What the scheduler looks at first: replicas of one Deployment are spread, whatever else a node has."""
    return sum(pod in REPLICAS for pod in pods_on(objects, node))


def _takes_pods(objects: Objects, name: str, node: Node) -> bool:
    known = objects.get(f"node/{name}")
    ready = known is not None and not known["spec"].get("unschedulable") and node.kubelet.ready
    return ready and bool(node.containerd.image("coredns"))


def run(objects: Mapping[str, Any], node: Node) -> None:
    """What a kubelet does: run the pods of its node, and end those that the API has no more."""
    wanted = {name: objects[f"pod/{name}"]["image"] for name in pods_on(objects, node.kubelet.node)}
    for pod in node.containerd.containers:
        if _is_of_api(pod) and pod not in wanted:
            node.kubelet.end(pod)
    for pod, image in wanted.items():
        node.kubelet.run(pod, image, host_network=False)


def _is_of_api(container: str) -> bool:
    return bool(WANDERING.fullmatch(container)) or container.startswith("klusterkit-probe")


def table(objects: Mapping[str, Any], name: str, node: Node) -> str:
    """The pods of a node as ``custom-columns``: those that the API mirrors and those of DaemonSets too."""
    rows = [f"kube-system {pod} <none> Running {pod} <none>" for pod in CONTROL_PLANE if node.containerd.running(pod)]
    rows += [
        f"kube-system {item.removeprefix('daemonset/')} DaemonSet Running <none> <none>"
        for item in objects
        if item.startswith("daemonset/")
    ]
    for pod in pods_on(objects, name):
        controller = objects[f"pod/{pod}"].get("controller", "<none>")
        rows.append(f"kube-system {pod} {controller} Running <none> <none>")
    return "".join(f"{row}\n" for row in rows)
