"""The virtual address: one master holds it, and the others stand by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_interface

from klusterkit.cluster import Machine, Vip
from klusterkit.engine.errors import KlusterKitError
from klusterkit.plans.vip import UNIT
from klusterkit.session.status.model import Component
from klusterkit.session.status.programs import unit_hint, unit_trouble
from klusterkit.session.status.seen import MachineSeen

NAME = "address"

_NOBODY = "see whether keepalived runs on the masters, and whether their API servers are ready: a sick one lets it go"
_SEVERAL = (
    "for a second that is a hand-over: look again. If it stays so, the masters don't hear each other (VRRP, IP "
    "protocol 112): see their firewalls and what is between them"
)

Seen = Mapping[str, MachineSeen | KlusterKitError]


def holds(vip: Vip, seen: MachineSeen) -> bool:
    """Whether the machine has the address."""
    return any(ip_interface(address).ip == vip.address for address in seen.facts.addresses)


def held(vip: Vip, machines: Sequence[Machine], seen: Seen) -> Iterator[Component]:
    """Who holds it, if there are masters."""
    masters = [(machine.name, seen[machine.name]) for machine in machines if machine.is_master]
    holders = [name for name, told in masters if isinstance(told, MachineSeen) and holds(vip, told)]
    wanted = f"one master holds {vip.address}"
    match holders:
        case [holder]:
            yield Component.right("", NAME, wanted, f"{holder} holds {vip.address}")
        case [] if masters:
            yield Component.wrong("", NAME, wanted, "none that answers holds it", _NOBODY)
        case []:
            pass
        case _:
            yield Component.wrong("", NAME, wanted, f"{', '.join(holders)} hold it at once", _SEVERAL)


def keepalived(vip: Vip, machine: Machine, seen: MachineSeen) -> Component:
    """What holds it on a master."""
    if trouble := unit_trouble(seen.units.get(UNIT)):
        return Component.wrong(machine.name, "keepalived", "active", trouble, unit_hint(machine, "keepalived"), "down")
    holder = holds(vip, seen)
    seen_as = "active, holds the address" if holder else "active, stands by"
    return Component.right(machine.name, "keepalived", "active", seen_as, "holds" if holder else "waits")
