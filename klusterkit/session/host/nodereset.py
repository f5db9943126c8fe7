"""``nodeadm reset``: see what is left without the node, and compile the plan that takes it off its host."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Machine
from klusterkit.engine.errors import HostUnreachable, UsageError
from klusterkit.engine.plan import Plan
from klusterkit.plans.deletion import DrainOptions, Leaving
from klusterkit.plans.nodereset import NodeResetRequest, compile_node_reset
from klusterkit.session.host.controlplane import masters_through
from klusterkit.session.host.hold import HostHold
from klusterkit.session.host.reset import looked_at
from klusterkit.session.machines.sparing import refuse_held_pods


class WantedNodeReset(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    through: str | None = None
    """``[USER@]ADDRESS[:PORT]`` of a master that stays; by default one that the host joined through."""
    alone: bool = False
    """Whether no master is asked: the node stays known to the cluster, if there still is one."""
    confirm: str | None = None
    """The cluster's name, where its only master goes."""
    force: bool = False
    """Whether also a host is taken back that belongs to another state."""
    drain: DrainOptions = DrainOptions()


def plan_node_reset(hold: HostHold, wanted: WantedNodeReset) -> Plan:
    """The plan that makes the host what it was before it was a node. It has no tasks where it never was one.

    Raises:
        ForeignCluster, StaleState: the host belongs to another state.
        Refused: it has pods that nothing would make anew elsewhere.
        UsageError: the cluster can't spare it.
        HostRefused, HostUnreachable: a host can't be looked at.
    """
    hold.refuse_run_in_progress()
    hold.takes_others = wanted.force
    machine = next((each for each in hold.machines if each.name == hold.place.name), None)
    if machine is not None and hold.cluster is not None and not wanted.alone:
        _ask(hold, wanted, machine)
    with looked_at(hold, "nodeadm reset", force=wanted.force) as (fleet, seen):
        if hold.masters and machine and not wanted.drain.skip:
            leaving = Leaving(machine=machine, record=seen.record)
            hold.notices += refuse_held_pods(fleet[hold.masters[0].name], [leaving], wanted.drain)
        request = NodeResetRequest(
            **dict(seen), cluster=hold.cluster, machine=machine, masters=hold.masters, drain=wanted.drain
        )
    return compile_node_reset(request).changed(serial=hold.snapshot.serial)


def _ask(hold: HostHold, wanted: WantedNodeReset, machine: Machine) -> None:
    """Find the masters that stay, or see that the operator knows that there is none."""
    through = wanted.through or next((_login(each) for each in hold.machines if _may_be_asked(each, machine)), None)
    if through is not None:
        _ask_through(hold, through)
    elif machine.is_master and hold.cluster and wanted.confirm != hold.cluster.name:
        name = hold.cluster.name
        raise UsageError(
            f"without another master, this ends the cluster {name}: its authorities go, and other nodes are lost",
            host=hold.place.name,
            hint=f"if that is what you want, say --confirm {name}; if there is another master, --through [USER@]MASTER",
        )


def _ask_through(hold: HostHold, master: str) -> None:
    try:
        masters_through(hold, master)
    except HostUnreachable as error:
        raise HostUnreachable(
            f"the cluster can't be asked to let the node go: {error.message}",
            host=error.host,
            seen=error.seen,
            hint="name another master, --through [USER@]MASTER; if the cluster is gone for good, --skip-remove-node",
        ) from None


def _may_be_asked(each: Machine, machine: Machine) -> bool:
    return each.is_master and each.name != machine.name


def _login(machine: Machine) -> str:
    address = f"[{machine.address}]" if machine.address.version == 6 else str(machine.address)
    return f"{machine.user}@{address}:{machine.port}"
