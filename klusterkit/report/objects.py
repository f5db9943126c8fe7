"""Tables of what the state file holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from klusterkit.cluster import Cluster, Machine
from klusterkit.report.screen import columns

_NONE = "-"


def clusters(found: Iterable[Cluster], *, wide: bool = False) -> Table:
    """Clusters, one row each."""
    more = ("CNI", "DNS DOMAIN") if wide else ()
    table = columns("NAME", "VERSION", "ENDPOINT", "POD NETWORK", "SERVICE NETWORK", *more)
    for cluster in found:
        endpoint = str(cluster.endpoint or _NONE)
        networks = (str(cluster.pod_network), str(cluster.service_network))
        rest = (cluster.cni.kind, cluster.dns_domain) if wide else ()
        table.add_row(cluster.name, cluster.kubernetes_version.tag, endpoint, *networks, *rest)
    return table


def machines(found: Iterable[Machine], *, wide: bool = False) -> Table:
    """Machines, one row each."""
    more = ("SSH", "LABELS", "TAINTS") if wide else ()
    table = columns("NAME", "ADDRESS", "ROLES", "NODE", "VERSION", *more)
    for machine in found:
        ssh = f"{machine.user}@{machine.address}:{machine.port}"
        labels = ",".join(f"{key}={value}" for key, value in machine.labels.items()) or _NONE
        rest = (ssh, labels, ",".join(map(str, machine.taints)) or _NONE) if wide else ()
        version = machine.version.tag if machine.version else _NONE
        roles = ",".join(machine.roles)
        table.add_row(machine.name, str(machine.address), roles, machine.node_name or _NONE, version, *rest)
    return table


def credentials(found: Iterable[Mapping[str, Any]]) -> Table:
    """Credentials: whom to log in as, and with which key; never the key."""
    table = columns("NAME", "USER", "KEY")
    for credential in found:
        table.add_row(credential["name"], credential["user"], credential.get("fingerprint", _NONE))
    return table
