"""The host of a command that is for one host alone, as a machine: its name, and which of its addresses others use."""

from __future__ import annotations

from typing import Any

from klusterkit.cluster import Machine, Role
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.session.host.hold import HostHold


def own_machine(
    hold: HostHold, facts: Facts, role: Role, *, name: str | None, address: str | None, **more: Any
) -> Machine:
    """The machine that the host is to be.

    Args:
        hold: for the host.
        facts: of the host.
        role: what it will do.
        name: of its member or node; by default the host's own.
        address: one of the host's; by default that of the default route.
        more: further fields.

    Raises:
        UsageError: there is no such address.
    """
    chosen = address or facts.default_address
    if not chosen:
        raise UsageError(
            f"{hold.place.name} has no default route, and so no address to choose",
            hint="say which: --bind-address ADDRESS",
        )
    there = [text.partition("/")[0] for text in facts.addresses]
    if chosen not in there:
        raise UsageError(
            f"{chosen} is not an address of {hold.place.name}",
            seen=", ".join(there),
            hint="--bind-address takes one of these",
        )
    node = (name or facts.hostname).lower()
    return Machine.of(name=hold.place.name, address=chosen, roles=role, node_name=node, **more)
