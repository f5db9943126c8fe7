"""The control plane that a host joins or leaves by hand, asked on one of its masters over SSH."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import yaml

from klusterkit.cluster import Cluster, Machine, Role, machine_name
from klusterkit.engine.errors import HostRefused, UsageError
from klusterkit.engine.host import Host
from klusterkit.hosts import Fleet
from klusterkit.plans.description import PATH
from klusterkit.session.connect import fleet_of_one
from klusterkit.session.host.hold import HostHold, login_parts
from klusterkit.tasks import kubectl

_MASTERS = ("get", "nodes", "--selector=node-role.kubernetes.io/control-plane", "--output=json")


def masters_through(hold: HostHold, text: str) -> tuple[Cluster, tuple[Machine, ...]]:
    """The cluster and its masters but for the host itself. ``hold`` asks the named one, the first, from now on.

    Args:
        hold: for the host.
        text: ``[USER@]ADDRESS[:PORT]`` of a master.

    Raises:
        UsageError: it names none, or the host there is no master that was made by hand.
        HostRefused, HostUnreachable: it can't be asked.
    """
    user, address, port = login_parts(text, "a master")
    try:
        ip_address(address)
    except ValueError:
        raise UsageError(f"{text!r} is no master's address", hint="[USER@]ADDRESS[:PORT], such as 10.0.0.5") from None

    def login(at: str) -> Machine:
        name = machine_name(ip_address(at))
        return Machine.of(name=name, address=at, roles=Role.MASTER, user=user or "root", port=port or 22)

    hold.masters = (login(address),)
    with fleet_of_one(hold) as fleet:
        cluster, first = _described(fleet, hold.masters[0])
        known = {str(first.address), *(text.partition("/")[0] for text in fleet[hold.place.name].facts().addresses)}
        others = [login(at) for at in _addresses(fleet[hold.masters[0].name]) if at not in known]
    hold.masters = tuple(others)
    with fleet_of_one(hold) as fleet:
        rest = [_described(fleet, each)[1] for each in others]
    hold.masters = (first, *rest)
    return cluster, hold.masters


def _described(fleet: Fleet, machine: Machine) -> tuple[Cluster, Machine]:
    """What a master keeps of its cluster and of itself; how it is reached, we know better."""
    try:
        documents = list[Any](yaml.safe_load_all(fleet[machine.name].read(PATH)))
    except FileNotFoundError:
        raise UsageError(
            f"{machine.address} is no master that nodeadm made",
            host=machine.name,
            seen=f"{PATH} is not there",
            hint="name one on which `nodeadm init` was done; a cluster of cctl's grows by `cctl create machine`",
        ) from None
    cluster, found = Cluster.from_object(documents[0]), Machine.from_object(documents[1])
    if found.address != machine.address:
        raise UsageError(
            f"the cluster knows the master at {machine.address} as {found.address}",
            host=machine.name,
            hint=f"name it so: {found.address}",
        )
    return cluster, found.replace(user=machine.user, port=machine.port)


def _addresses(host: Host) -> Sequence[str]:
    """Those of all masters, as the API knows them."""
    ended = host.run(kubectl.command(*_MASTERS), timeout=20.0)
    if not ended.ok:
        raise HostRefused(
            f"the API server on {host.name} doesn't say who the masters are",
            host=host.name,
            seen=ended.said,
            hint="see `journalctl -u kubelet` there, or name another master",
        )
    return [
        entry["address"]
        for node in json.loads(ended.out)["items"]
        for entry in node["status"]["addresses"]
        if entry["type"] == "InternalIP"
    ]
