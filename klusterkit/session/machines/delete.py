"""``delete machine`` and ``delete cluster``: see who is there, who stays and can spare them, and compile the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import KlusterKitError, UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import Host
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import PLACE
from klusterkit.hosts import Fleet
from klusterkit.plans.delete import compile_delete
from klusterkit.plans.deletion import DeleteRequest, DrainOptions, Leaving
from klusterkit.session.connect import each_host, fleet_for_machines
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.machines.silent import missing, seen_on
from klusterkit.session.machines.sparing import Sparing, look_who_stays, refuse_living


class Wanted(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machines: tuple[str, ...] = ()
    """By name, address or node; none for all of them, and the cluster itself."""
    gone: bool = False
    """Whether those that don't answer are gone for good."""
    confirm: str | None = None
    """The cluster's name, where it ends."""
    keep_uploads: bool = False
    drain: DrainOptions = DrainOptions()

    @property
    def operation(self) -> str:
        """The request in the operator's words."""
        return f"delete machine {' '.join(self.machines)}" if self.machines else "delete cluster"


@dataclass(frozen=True)
class _Seen:
    """A machine that is to leave, as it was found."""

    leaving: Leaving
    facts: Facts | None = None
    """None for a host that counts as gone."""
    error: KlusterKitError | None = None
    """Why it does."""


def plan_delete(hold: Hold, wanted: Wanted) -> Plan:
    """The plan that makes these machines, or all of them, leave the cluster.

    Raises:
        Refused: hosts don't answer, or what leaves can't be spared; all reasons, with what to do.
        UsageError: what is asked for can't be.
    """
    hold.refuse_run_in_progress()
    cluster = hold.the_cluster()
    leaving = _chosen(hold, wanted.machines)
    staying = [machine for machine in hold.machines if machine not in leaving]
    _refuse_unconfirmed(cluster, staying, wanted)
    with fleet_for_machines(hold, hold.machines) as fleet:
        seen = _look(hold, fleet, leaving, wanted)
        facts = {each.leaving.machine.name: each.facts for each in seen if each.facts}
        stay = Sparing()
        if not staying:
            refuse_living(fleet, [each.leaving for each in seen])
        if staying:
            stay = look_who_stays(hold, fleet, staying, [each.leaving for each in seen], wanted.drain)
            hold.notices += stay.notices
        if stay.asked_on:
            facts[stay.asked_on] = fleet[stay.asked_on].facts()
    return compile_delete(
        DeleteRequest(
            cluster=cluster,
            leaving=tuple(each.leaving for each in seen),
            staying=tuple(staying),
            asked_on=stay.asked_on,
            silent=stay.silent,
            forget=not wanted.machines,
            facts=facts,
            drain=wanted.drain,
            keep_uploads=wanted.keep_uploads,
            lineage=hold.snapshot.lineage,
            serial=hold.snapshot.serial,
            operation=wanted.operation,
        )
    )


def _chosen(hold: Hold, names: Sequence[str]) -> list[Machine]:
    found = [machine for machine in hold.machines if not names or _words(machine) & set(names)]
    known = {name for machine in found for name in _words(machine)}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"the cluster has no machine {', '.join(unknown)}", hint="`cctl get machine` lists them")
    for name in names:
        _refuse_two_meanings(name, found)
    return found


def _words(machine: Machine) -> set[str]:
    """What it may be called: its name, its address, its node."""
    return {machine.name, str(machine.address), *filter(None, [machine.node_name])}


def _refuse_two_meanings(name: str, machines: Sequence[Machine]) -> None:
    meant = [machine for machine in machines if name in _words(machine)]
    if len(meant) > 1:
        others = [str(machine.address) if machine.name == name else machine.name for machine in meant]
        raise UsageError(
            f"{name} means {len(meant)} machines: it is the name of one, and the address or the node of another",
            seen="; ".join(f"{machine.name} at {machine.address}" for machine in meant),
            hint=f"say {' or '.join(others)}",
        )


def _refuse_unconfirmed(cluster: Cluster, staying: Sequence[Machine], wanted: Wanted) -> None:
    """The end of a cluster takes more than a yes, which scripts say to everything."""
    if any(machine.is_master for machine in staying):
        return
    if staying:
        raise UsageError(
            "no master would be left to the machines that stay",
            seen=", ".join(machine.name for machine in staying),
            hint="name them too, or use `cctl delete cluster`: without a master they are of no use",
        )
    if wanted.confirm != cluster.name:
        raise UsageError(
            f"this ends the cluster {cluster.name}: all that it holds goes",
            hint=f"if that is what you want, say --confirm {cluster.name}",
        )


def _look(hold: Hold, fleet: Fleet, machines: Sequence[Machine], wanted: Wanted) -> list[_Seen]:
    by_name = {machine.name: machine for machine in machines}
    seen = list(each_host(by_name, lambda name: _look_at(hold, fleet[name], by_name[name])).values())
    reasons = [missing(each.leaving.machine.name, each.error) for each in seen if each.error is not None]
    names = ", ".join(str(reason.host) for reason in reasons)
    if reasons and not wanted.gone:
        raise Refused(f"{names} can't be taken back; nothing was changed", reasons)
    if reasons:
        hold.notices.append(
            f"gone for good: {names}. Nothing is done there, and they must not come back as they are: what is on them "
            "would join in again. Install them anew before they are connected to this network."
        )
    return seen


def _look_at(hold: Hold, host: Host, machine: Machine) -> _Seen:
    found = seen_on(hold, host, lambda host: (host.facts(), hold.records.read(host)))
    if isinstance(found, KlusterKitError):
        return _Seen(Leaving(machine=machine), error=found)
    facts, record = found
    if not record.done:
        lost = UsageError(f"{PLACE} on it is gone", seen="nothing there says what was done to the host")
        return _Seen(Leaving(machine=machine), error=lost)
    return _Seen(Leaving(machine=machine, record=record), facts)
