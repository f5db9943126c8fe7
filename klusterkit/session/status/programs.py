"""The programs of a machine: whether they run, come back at a boot, and are of the version that is wanted."""

from __future__ import annotations

from collections.abc import Iterator

from klusterkit.cluster import Cluster, Machine
from klusterkit.session.status.model import Component
from klusterkit.session.status.seen import ApiSeen, MachineSeen, Node, UnitState

STATIC_PODS = ("kube-controller-manager", "kube-scheduler")
"""Those that nobody asks directly."""


def containerd(cluster: Cluster, machine: Machine, seen: MachineSeen, node: Node | None) -> Component:
    """The container runtime."""
    version = f"v{node.runtime}" if node and node.runtime else ""
    return _program(machine, "containerd", seen, version, cluster.release.containerd)


def kubelet(machine: Machine, seen: MachineSeen, node: Node | None) -> Component:
    """The kubelet."""
    return _program(
        machine, "kubelet", seen, node.kubelet if node else "", machine.version.tag if machine.version else ""
    )


def apiserver(machine: Machine, seen: MachineSeen) -> Component:
    """The API server of a master."""
    if seen.api == "":
        return Component.right(machine.name, "apiserver", "ready", brief="ready")
    hint = (
        f"on {machine.name}: journalctl -u kubelet -n 50; and the logs in /var/log/pods/kube-system_kube-apiserver-*/"
    )
    return Component.wrong(machine.name, "apiserver", "ready", seen.api or "no answer", hint, "not ready")


def static_pods(machine: Machine, api: ApiSeen | None) -> Iterator[Component]:
    """What else of the control plane the kubelet of a master runs; nothing can be told of it without the API."""
    for name in STATIC_PODS if api else ():
        pod = f"{name}-{machine.node_name}"
        if api and api.ready_pods.get(pod):
            yield Component.right(machine.name, name, "ready")
        else:
            seen = "not ready" if api and pod in api.ready_pods else "there is no such pod"
            hint = f"kubectl describe pod -n kube-system {pod}; logs are in /var/log/pods on {machine.name}"
            yield Component.wrong(machine.name, name, "ready", seen, hint)


def _program(machine: Machine, name: str, seen: MachineSeen, version: str, wanted_version: str) -> Component:
    wanted = f"active, {wanted_version}" if wanted_version else "active"
    trouble = unit_trouble(seen.units.get(f"{name}.service"))
    if trouble:
        return Component.wrong(
            machine.name, name, wanted, trouble, unit_hint(machine, name), trouble.partition(" ")[0].strip(",")
        )
    if version and wanted_version and version != wanted_version:
        hint = f"somebody has put another {name} there: `cctl version` shows all of them"
        return Component.wrong(machine.name, name, wanted, f"active, {version}", hint, version)
    return Component.right(machine.name, name, wanted, brief=version or "active")


def unit_trouble(unit: UnitState | None) -> str:
    """Why a unit isn't as it should be; nothing if it is."""
    if unit is None or not (unit.enabled or unit.active == "active"):
        return "missing: systemd knows no such unit"
    if unit.active != "active":
        again = f", started again {unit.restarts} times" if unit.restarts else ""
        return f"{unit.active} ({unit.sub}){again}"
    return "" if unit.enabled == "enabled" else f"active, but {unit.enabled}: it won't start at a boot"


def unit_hint(machine: Machine, name: str) -> str:
    """What to do about a unit."""
    return f"on {machine.name}: journalctl -u {name} -n 50; systemctl enable --now {name}"
