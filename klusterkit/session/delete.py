"""``delete machine`` and ``delete cluster``: see who is there, who stays and can be asked, and compile the plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import HostRefused, HostUnreachable, KlusterKitError, UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import Host
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import PLACE
from klusterkit.hosts import Fleet
from klusterkit.hosts.errors import StaleState
from klusterkit.plans.delete import compile_delete
from klusterkit.plans.deletion import DeleteRequest, DrainOptions, Leaving
from klusterkit.session.connect import fleet_for_machines, refuse_passed
from klusterkit.session.ending import read_record
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.tasks import kubectl
from klusterkit.tasks.leaving import pods_on

AT_ONCE = 32


class Wanted(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machines: tuple[str, ...] = ()
    """By name or address; none for all of them, and the cluster itself."""
    gone: bool = False
    """Whether those that don't answer are gone for good."""
    confirm: str | None = None
    """The cluster's name, where it ends."""
    keep_uploads: bool = False
    drain: DrainOptions = DrainOptions()

    @property
    def operation(self) -> str:
        """The request in the operator's words."""
        if not self.machines:
            return "delete cluster"
        return f"delete machine {' '.join(self.machines)}"


@dataclass(frozen=True)
class Seen:
    """A machine that was looked at."""

    leaving: Leaving
    facts: Facts | None = None
    """None for a host that is gone."""
    error: KlusterKitError | None = None
    """Why it counts as gone."""


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
        asked = _asked(fleet, staying)
        if asked is not None:
            _tell_of_pods(hold, fleet[asked], seen, wanted.drain)
        facts = {each.leaving.machine.name: each.facts for each in seen if each.facts}
        facts |= {asked: fleet[asked].facts()} if asked else {}
    return compile_delete(
        DeleteRequest(
            cluster=cluster,
            leaving=tuple(each.leaving for each in seen),
            staying=tuple(staying),
            asked_on=asked,
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
    found = [machine for machine in hold.machines if not names or {machine.name, str(machine.address)} & set(names)]
    known = {name for machine in found for name in (machine.name, str(machine.address))}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"the cluster has no machine {', '.join(unknown)}", hint="`cctl get machine` lists them")
    return found


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


# Who is there -----------------------------------------------------------------------------------------------------


def _look(hold: Hold, fleet: Fleet, machines: Sequence[Machine], wanted: Wanted) -> list[Seen]:
    def look(machine: Machine) -> Seen:
        return _look_at(hold, fleet[machine.name], machine)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = list(pool.map(look, machines))
    reasons = [_missing(each.leaving.machine, each.error) for each in seen if each.error is not None]
    if reasons and not wanted.gone:
        raise Refused(f"{_names(reasons)} can't be taken back; nothing was changed", reasons)
    for reason in reasons:
        hold.notices.append(
            f"{reason.host} counts as gone for good: nothing is done on it. It must not come back as it is: what is on "
            "it would join in again. Install it anew before it is connected to this network."
        )
    return seen


def _look_at(hold: Hold, host: Host, machine: Machine) -> Seen:
    try:
        refuse_passed(hold, host)
        facts, record = host.facts(), read_record(host)
    except StaleState:
        raise
    except (HostUnreachable, HostRefused) as error:
        return Seen(Leaving(machine=machine), error=error)
    if not record.done:
        lost = UsageError(f"{PLACE} on it is gone", seen="nothing there says what was done to the host")
        return Seen(Leaving(machine=machine), error=lost)
    return Seen(Leaving(machine=machine, record=record), facts)


def _missing(machine: Machine, error: KlusterKitError) -> UsageError:
    return UsageError(
        f"{machine.name}: {error.message}",
        host=machine.name,
        seen=error.seen,
        hint=f"{error.hint or 'see whether the host is on, and its link up'}; if it never comes back, say --gone",
    )


def _names(reasons: Iterable[UsageError]) -> str:
    return ", ".join(str(reason.host) for reason in reasons)


# Who is asked ----------------------------------------------------------------------------------------------------


def _asked(fleet: Fleet, staying: Sequence[Machine]) -> str | None:
    """The first master that stays and whose API server is ready; None where no master stays."""
    masters = [machine.name for machine in staying if machine.is_master]
    reasons: list[UsageError] = []
    for name in masters:
        error = _why_not(fleet[name])
        if error is None:
            return name
        reasons.append(error)
    if masters:
        raise Refused("no master that stays can be asked; nothing was changed", reasons)
    return None


def _why_not(host: Host) -> UsageError | None:
    hint = "`cctl status` shows how things stand"
    try:
        ended = host.run(kubectl.command("get", "--raw=/readyz", "--request-timeout=5s"), timeout=15.0)
    except KlusterKitError as error:
        return UsageError(f"{host.name}: {error.message}", host=host.name, seen=error.seen, hint=hint)
    if ended.ok:
        return None
    return UsageError("its API server isn't ready", host=host.name, seen=ended.said, hint=hint)


# What goes with them ---------------------------------------------------------------------------------------------


def _tell_of_pods(hold: Hold, host: Host, seen: Sequence[Seen], drain: DrainOptions) -> None:
    """Before anything is done: what pods lose, and which would be lost."""
    reasons: list[UsageError] = []
    for each in seen:
        if each.error is not None or drain.skip:
            continue
        pods = pods_on(host, each.leaving.node)
        machine = each.leaving.machine.name
        if lost := [pod.name for pod in pods if pod.is_lost]:
            hold.notices.append(f"{machine}: nothing makes these pods anew elsewhere: {', '.join(lost)}")
            if not drain.force:
                hint = "delete them yourself, or say --drain-force"
                what = "it has pods that nothing would make anew elsewhere"
                reasons.append(UsageError(what, host=machine, seen=", ".join(lost), hint=hint))
        if data := [pod.name for pod in pods if pod.leaves and pod.empty_dir]:
            hold.notices.append(f"{machine}: these pods lose what they keep in an emptyDir: {', '.join(data)}")
    if reasons:
        raise Refused(f"{_names(reasons)} can't be drained; nothing was changed", reasons)
