"""Hosts as they are looked at before they become machines: what can't be is refused with all reasons at once."""

from __future__ import annotations

from collections.abc import Iterable

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import Host
from klusterkit.plans.request import interface_of
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.tasks.preflight import Refusal, ask_network


def look(hold: Hold, host: Host, cluster: Cluster, machine: Machine) -> Facts:
    """A host that is to become a machine, as it is."""
    return with_neighbour(hold, host, cluster, machine, host.facts())


def with_neighbour(hold: Hold, host: Host, cluster: Cluster, machine: Machine, facts: Facts) -> Facts:
    """Facts with who has the virtual address, while nobody of the cluster can have it.

    That is until there is a master, or a run that makes one and hasn't ended.
    """
    begun = hold.state.records or any(each.is_master for each in hold.machines)
    if cluster.vip is None or begun or not machine.is_master:
        return facts
    return ask_network(host, facts, str(cluster.vip.address), interface_of(machine, facts))


def refuse_unfit(hold: Hold, found: Iterable[tuple[Machine, Refusal]]) -> None:
    """Have the operator told what may be as it is. Raises ``Refused`` for what may not."""
    reasons: list[UsageError] = []
    for machine, refusal in found:
        if refusal.fatal:
            reasons.append(UsageError(refusal.what, host=machine.name, seen=refusal.seen, hint=refusal.hint))
        else:
            hold.notice(f"{machine.name}: {refusal}")
    if reasons:
        hosts = sorted({str(reason.host) for reason in reasons})
        raise Refused(f"{', '.join(hosts)} can't be used as it is; nothing was changed", reasons)
