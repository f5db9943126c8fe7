"""All that there is on simulated hosts, in a form that can be compared."""

from __future__ import annotations

import json
import re
from typing import Any

from klusterkit.engine.host import HOME, Entry
from klusterkit.engine.record import PLACE
from tests.simulation.real.programs.cluster import ClusterModel
from tests.simulation.real.programs.containerd import META
from tests.simulation.real.programs.etcd import DATABASE, LOG
from tests.simulation.real.programs.node import Node
from tests.simulation.real.programs.pods import WANDERING

ISSUED = re.compile(r"/etc/etcd/pki/.*|/var/lib/kubelet/pki/.*|/etc/kubernetes/(pki/)?[^/]*\.(key|pub|crt|conf)")
"""Files whose content is another each time that they are made, as keys are."""
UNORDERED = re.compile(r"/proc/(filter|self|net)/.*")
"""Whose lines come in the order in which pods happened to start."""
MOVING = ("/run/", "/sys/module", "/proc/sys/net/bridge", "/var/log/pods/", "/var/log/containers/")
"""Gone with the next boot, as what modules bring that something still uses on the way back. And logs, in folders that
were there before."""
BY_PODS = re.compile(r"/sys/class/net/cni0|/var/lib/cni/networks(/cbr0)?")
"""Come with the first pod that has an address of its own, and stay."""
NAMESPACES = "/run/netns/"

Digest = dict[str, Any]


def digest(model: ClusterModel, *, issued: bool = True) -> Digest:
    """All that there is on the hosts, but for which of them has the pods that any of them may have.

    Args:
        model: the hosts.
        issued: whether what issued files hold counts, and what only one and the same cluster has.
    """
    found: Digest = {"objects": _objects(model.objects, issued=issued), "members": _members(model, issued=issued)}
    for name, node in model.nodes.items():
        found |= {path: value for path, value in _of_host(name, node, issued=issued) if not _wanders(path)}
        found[f"{name} record"] = _record(node, issued=issued)
    return found


def host(model: ClusterModel, name: str) -> Digest:
    """All that there is on one host, without exception but KlusterKit's own folder and what goes with a boot."""
    return dict(_of_host(name, model.nodes[name], issued=True, pods=True))


def left_in_home(node: Node) -> list[str]:
    """Files in KlusterKit's own folder."""
    return [entry.path for entry in node.machine.tree.walk() if entry.path.startswith(f"{HOME}/") and _is_file(entry)]


def _is_file(entry: Entry) -> bool:
    return entry.type == "file"


def differing(one: Digest, other: Digest) -> dict[str, tuple[Any, Any]]:
    """What is not the same in two digests: a reader of a failed test wants that and no more."""
    names = sorted({*one, *other})
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}


def _of_host(name: str, node: Node, *, issued: bool, pods: bool = False) -> Any:
    yield f"{name} units", node.machine.systemd.states
    for entry in node.machine.tree.walk(without=HOME):
        if not entry.path.startswith(MOVING) or entry.path.startswith(NAMESPACES):
            yield f"{name}:{entry.path}", _shown(node, entry, issued=issued, pods=pods)


def _wanders(path: str) -> bool:
    return bool(WANDERING.search(path) or BY_PODS.fullmatch(path.partition(":")[2]))


def _shown(node: Node, entry: Entry, *, issued: bool, pods: bool) -> Any:
    content = node.machine.tree.read(entry.path).decode() if _is_file(entry) else ""
    if _is_file(entry) and UNORDERED.fullmatch(entry.path):
        return sorted(line for line in content.splitlines() if pods or not WANDERING.search(line))
    if entry.path == META and not pods:
        containers = json.loads(content).get("containers", {})
        known = {pod: image for pod, image in containers.items() if not WANDERING.search(pod)}
        return {**json.loads(content), "containers": known}
    if entry.path in (DATABASE, LOG) or (not issued and ISSUED.fullmatch(entry.path)):
        return entry.model_copy(update={"sha256": "", "size": 0})
    return entry


def _objects(objects: dict[str, Any], *, issued: bool) -> dict[str, Any]:
    return {name: _object(name, item, issued=issued) for name, item in objects.items() if not _wanders(name)}


def _object(name: str, item: dict[str, Any], *, issued: bool) -> dict[str, Any]:
    if issued or not name.startswith("node/"):
        return item
    return {**item, "spec": {key: value for key, value in item["spec"].items() if key != "podCIDR"}}


def _members(model: ClusterModel, *, issued: bool) -> list[Any]:
    return [(seat.id if issued else 0, seat.peer, seat.name, seat.learner) for seat in model.etcd.seats()]


def _record(node: Node, *, issued: bool) -> Any:
    """What the host keeps of what was done to it: the bytes, or what they say of how it was."""
    tree = node.machine.tree
    content = tree.read(PLACE) if tree.find(PLACE) else b""
    if issued or not content:
        return content
    return {done["task"]: (done["step"], done["before"], done.get("needs")) for done in json.loads(content)["done"]}
