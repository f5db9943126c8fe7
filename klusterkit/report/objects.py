"""Tables of what the state file holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table

from klusterkit.cluster import Cluster, Machine
from klusterkit.report.screen import columns

_NONE = "-"

Object = Mapping[str, Any]


def table(kind: str, objects: Sequence[Object], *, wide: bool = False, prefix: str = "") -> Table:
    """Objects of one kind, one row each.

    Args:
        kind: as ``cctl get`` is asked for it.
        objects: in the shape of Cluster API, or of our own kinds.
        wide: with all columns.
        prefix: before each name, to tell kinds from each other where there are several.
    """
    headings, more, row = _KINDS[kind]
    found = columns("NAME", *headings, *(more if wide else ()))
    for each in objects:
        name, *cells = row(each)
        found.add_row(f"{prefix}{name}", *cells[: len(found.columns) - 1])
    return found


def _cluster(data: Object) -> list[str]:
    cluster = Cluster.from_object(data)
    networks = (str(cluster.pod_network), str(cluster.service_network))
    endpoint = str(cluster.endpoint or _NONE)
    vip = (str(cluster.vip.address), str(cluster.vip.router_id)) if cluster.vip else (_NONE, _NONE)
    more = (cluster.cni.kind, cluster.dns_domain, *vip, cluster.registry.place if cluster.registry else _NONE)
    return [cluster.name, cluster.kubernetes_version.tag, endpoint, *networks, *more]


def _machine(data: Object) -> list[str]:
    machine = Machine.from_object(data)
    labels = ",".join(f"{key}={value}" for key, value in machine.labels.items()) or _NONE
    return [
        machine.name,
        str(machine.address),
        ",".join(machine.roles),
        machine.node_name or _NONE,
        machine.version.tag if machine.version else _NONE,
        f"{machine.user}@{machine.address}:{machine.port}",
        labels,
        ",".join(map(str, machine.taints)) or _NONE,
    ]


def _credential(data: Object) -> list[str]:
    return [data["metadata"]["name"], data["spec"]["user"], data.get("status", {}).get("fingerprint", _NONE)]


def _run(data: Object) -> list[str]:
    spec, status = data["spec"], data["status"]
    told = (status["outcome"], status.get("ended", _NONE), spec["operation"])
    return [data["metadata"]["name"], *told, str(status.get("tasks", _NONE)), status.get("who", _NONE)]


def _bundle(data: Object) -> list[str]:
    status = data["status"]
    return [data["metadata"]["name"], status["created"], ",".join(status["trustedKeys"]) or _NONE]


def _bundle_key(data: Object) -> list[str]:
    return [data["metadata"]["name"], data["spec"]["publicKey"]]


def _host_key(data: Object) -> list[str]:
    keys = data["spec"]["keys"]
    return [data["metadata"]["name"], *("\n".join(key[part] for key in keys) for part in ("type", "fingerprint"))]


def _recipient(data: Object) -> list[str]:
    return [data["metadata"]["name"], data["spec"]["type"]]


_KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[Object], list[str]]]] = {
    "cluster": (
        ("VERSION", "ENDPOINT", "POD NETWORK", "SERVICE NETWORK"),
        ("CNI", "DNS DOMAIN", "VIP", "ROUTER ID", "REGISTRY"),
        _cluster,
    ),
    "machine": (("ADDRESS", "ROLES", "NODE", "VERSION"), ("SSH", "LABELS", "TAINTS"), _machine),
    "credential": (("USER", "KEY"), (), _credential),
    "run": (("OUTCOME", "ENDED", "OPERATION"), ("TASKS", "WHO"), _run),
    "bundle": (("CREATED", "TRUSTED KEYS"), (), _bundle),
    "bundlekey": (("PUBLIC KEY",), (), _bundle_key),
    "hostkey": (("TYPE", "FINGERPRINT"), (), _host_key),
    "recipient": (("TYPE",), (), _recipient),
}
"""Columns after the name, those that only ``-o wide`` has, and what fills them all."""
