"""``cctl apply -f``: what objects in a file want, made one plan."""

from __future__ import annotations

from collections.abc import Sequence

from klusterkit.cluster import Machine
from klusterkit.engine.errors import UsageError
from klusterkit.engine.plan import Plan
from klusterkit.plans.deletion import DrainOptions
from klusterkit.plans.relabel import RelabelRequest, compile_relabel
from klusterkit.plans.together import together
from klusterkit.session.connect import each_host, fleet_for_meeting
from klusterkit.session.hold import Hold
from klusterkit.session.machines.create import Wanted, plan_create
from klusterkit.session.machines.delete import Wanted as Deletion
from klusterkit.session.machines.delete import plan_delete
from klusterkit.session.machines.desired import Changes, changes, read_objects
from klusterkit.session.machines.masters import answering, look_at_masters
from klusterkit.session.onlooker import Onlooker


def plan_objects(hold: Hold, text: str, where: str, onlooker: Onlooker, *, prune: bool, drain: DrainOptions) -> Plan:
    """One plan for all that differs; an empty one where nothing does.

    Args:
        hold: the state that the objects are compared with.
        text: the objects, in YAML or JSON.
        where: what to call the text in an error.
        onlooker: told what takes long.
        prune: whether machines that the text leaves out are deleted.
        drain: how their pods leave then.

    Raises:
        Refused: what can't be changed, all of it; hosts, or the cluster, that can't do it.
        UsageError, InvalidCluster: what is asked for can't be; machines come and go in one plan.
    """
    hold.refuse_run_in_progress()
    wanted = changes(hold, read_objects(text, where))
    leaving = wanted.left_out if prune else ()
    if wanted.left_out and not prune:
        hold.notice(f"{where} leaves out {', '.join(wanted.left_out)}: they stay, unless it is applied with --prune")
    if leaving and (wanted.created or wanted.changed):
        raise UsageError(
            f"{where} adds or changes machines, and leaves out others: {', '.join(leaving)}",
            hint="apply it without --prune first, then with: a machine leaves when what comes is there",
        )
    if leaving:
        return plan_delete(hold, Deletion(machines=leaving, drain=drain))
    return _come_and_change(hold, wanted, onlooker)


def _come_and_change(hold: Hold, wanted: Changes, onlooker: Onlooker) -> Plan:
    plans: list[Plan] = []
    if wanted.created:
        plans.append(plan_create(hold, Wanted(machines=wanted.created), onlooker))
    if wanted.changed:
        plans.append(_plan_relabel(hold, wanted.changed))
    # Hosts' keys may have been pinned meanwhile, which is a step of the state.
    lineage, serial = hold.snapshot.lineage, hold.snapshot.serial
    if not plans:
        return Plan(operation="apply objects", lineage=lineage, serial=serial, tasks=())
    return together([plan.changed(serial=serial) for plan in plans])


def _plan_relabel(hold: Hold, changed: Sequence[tuple[Machine, Machine]]) -> Plan:
    """The hosts are entered with the login that they are to have: one that doesn't work is found here."""
    after = {machine.name: machine for _, machine in changed}
    machines = [after.get(machine.name, machine) for machine in hold.machines]
    with fleet_for_meeting(hold, machines) as fleet:
        asked_on = answering(look_at_masters(hold, fleet, [machine for machine in machines if machine.is_master]))
        facts = each_host(dict.fromkeys([asked_on, *after]), lambda name: fleet[name].facts())
    return compile_relabel(
        RelabelRequest(
            changed=tuple(changed),
            asked_on=asked_on,
            facts=facts,
            lineage=hold.snapshot.lineage,
            serial=hold.snapshot.serial,
        )
    )
