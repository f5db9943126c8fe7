"""Hosts that are lost for good while a run is under way: it ends without them, whichever way it goes."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any

from klusterkit.cluster import Machine
from klusterkit.engine.errors import KlusterKitError, UsageError
from klusterkit.engine.journal import Direction, Journal, Record
from klusterkit.hosts import Fleet


def hosts_of_run(journal: Journal, machines: Iterable[Machine], named: Collection[str]) -> frozenset[str]:
    """Hosts of a run by their names or addresses. Raises ``UsageError`` for one that isn't its."""
    by_address = {str(machine.address): machine.name for machine in machines}
    found = frozenset(by_address.get(name, name) for name in named)
    if unknown := sorted(found.difference(journal.plan.hosts)):
        raise UsageError(
            f"the run has no host {', '.join(unknown)}", hint=f"its hosts are {', '.join(journal.plan.hosts)}"
        )
    return found


def without_hosts(journal: Journal, fleet: Fleet, gone: Collection[str], direction: Direction) -> list[Record]:
    """What says of every task of these hosts that nothing is left to do there.

    Args:
        journal: of the run.
        fleet: its hosts.
        gone: names of hosts.
        direction: of the run from now on.

    Raises:
        UsageError: one of them answers.
    """
    for name in gone:
        _refuse_alive(fleet, name)
    return [
        Record(record="decide", at=time.time(), task=task.id, choice="gone", direction=direction)
        for task in journal.plan.tasks
        if task.host in gone
    ]


def _refuse_alive(fleet: Fleet, name: str) -> None:
    try:
        fleet[name].connect()
    except KlusterKitError:
        return
    raise UsageError(f"{name} isn't gone: it answers", host=name, hint="do without --gone: the run needs it")


def refuse_without(journal: Journal) -> None:
    """Refuse to go forward where the way back has left a host behind: what the run did there is known no more."""
    lost = [name for name, direction in journal.gone.items() if direction is Direction.BACK]
    if lost:
        raise UsageError(
            f"the run is being taken back without {', '.join(lost)}, and can't go forward any more",
            hint="`cctl rollback` takes it to its end",
        )


def told_of(journal: Journal, known: Iterable[Machine]) -> list[str]:
    """What the operator should know of hosts that were gone when the run ended.

    Args:
        journal: of the run.
        known: machines of the cluster by now.
    """
    addresses = {machine.name: machine.address for machine in known}
    return [
        f"{name} is left as it is, and still a machine of the cluster: `cctl delete machine --ip {addresses[name]} "
        "--gone` takes it out"
        if name in addresses
        else f"{name} is left as it is: install it anew before it is used for anything"
        for name in journal.gone
    ]


def left_behind(machines: Iterable[Machine], journal: Journal) -> list[dict[str, Any]]:
    """Machine objects of hosts that a run which was taken back has left as they were, and that others may know of.

    Args:
        machines: of the cluster before. Where there are none, there is nobody who knows.
        journal: of the run.
    """
    begun = {task.host for task in journal.plan.tasks if journal[task.id].attempt}
    known = {machine.name for machine in machines}
    if not known.difference(journal.gone):
        return []
    new = journal.plan.outcome.get("machines", [])
    return [each for each in new if each["metadata"]["name"] in begun.intersection(journal.gone) - known]
