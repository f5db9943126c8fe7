"""The objects of the state file, by kind and name, in the shape of Cluster API or of our own kinds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from klusterkit.cluster import Credential, parse_address
from klusterkit.engine.errors import UsageError
from klusterkit.session.hold import Hold
from klusterkit.session.listed import KINDS, listed

Object = dict[str, Any]


def objects_of(hold: Hold, kind: str, names: Sequence[str] = (), addresses: Collection[str] = ()) -> list[Object]:
    """The objects of a kind.

    Args:
        hold: the state file.
        kind: ``cluster``, ``machine``, ``credential``, or one of :data:`klusterkit.session.listed.KINDS`.
        names: only these, in this order; machines by their nodes' names, too.
        addresses: only those that have one of these addresses.

    Raises:
        UsageError: there is none of that name or address.
        InvalidCluster: an address that is none.
    """
    there = {str(each["metadata"]["name"]): each for each in _all(hold, kind)}
    called = {node: each for each in there.values() if (node := _node(each))} | there
    _refuse_unknown(kind, names, called)
    found = [called[name] for name in names] if names else [*there.values()]
    if not addresses:
        return found
    wanted = {str(parse_address(address, "machine address")) for address in addresses}
    _refuse_unknown(kind, wanted, {address for each in found for address in _addresses(each)})
    return [each for each in found if wanted & _addresses(each)]


def _all(hold: Hold, kind: str) -> list[Object]:
    snapshot = hold.snapshot
    match kind:
        case "cluster":
            return [snapshot.cluster] if snapshot.cluster else []
        case "machine":
            return snapshot.machines
        case "credential":
            # It names its secret; the secret itself is elsewhere in the file.
            return [Credential.of(**each).to_object() for each in snapshot.credentials]
        case _ if kind in KINDS:
            return listed(hold, kind)
        case _:
            raise UsageError(f"there is no kind of object called {kind!r}")


def _node(data: Object) -> str:
    """Of a machine that has one: the name of its node, by which kubectl knows it."""
    return str(data.get("status", {}).get("nodeRef", {}).get("name", ""))


def _addresses(data: Object) -> set[str]:
    return {str(each["address"]) for each in data.get("status", {}).get("addresses", [])}


def _refuse_unknown(kind: str, wanted: Collection[str], known: Collection[str]) -> None:
    for name in wanted:
        if name not in known:
            there = f"there are {', '.join(known)}" if known else f"there is no {kind} yet"
            raise UsageError(f"there is no {kind} {name}", hint=f"{there}: `cctl get {kind}` lists them")
