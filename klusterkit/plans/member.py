"""A host of etcd alone, as ``etcdadm`` makes it: the same member as under a control plane, with its authority on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from klusterkit.engine.plan import Plan, Task
from klusterkit.plans.draft import Draft
from klusterkit.plans.etcd import Ensemble, etcd_member
from klusterkit.plans.host import Prepared, admit
from klusterkit.plans.request import CreateRequest, Target
from klusterkit.tasks.preflight import MIB, Requirements

MEMORY = 512 * MIB
"""Of a host of etcd alone."""

INIT_PHASES: Mapping[str, Sequence[str]] = {
    "install": ("preflight", "mark", "etcd/programs"),
    "certificates": ("etcd/folder", "etcd/pki"),
    "snapshot": ("etcd/data", "etcd/snapshot", "etcd/restore"),
    "configure": ("etcd/configuration", "etcd/unit", "etcd/priorities"),
    "start": ("etcd/start",),
    "etcdctl": ("etcdctl",),
    "health": ("etcd/healthy",),
}
"""Phases of ``etcdadm init`` by their names, in their order, and the tasks of each (and those below them)."""

JOIN_PHASES: Mapping[str, Sequence[str]] = {
    "certificates": INIT_PHASES["certificates"],
    "install": INIT_PHASES["install"],
    "membership": ("etcd/data", "etcd/join"),
    "configure": INIT_PHASES["configure"],
    "start": INIT_PHASES["start"],
    "promote": ("etcd/promote",),
    "etcdctl": INIT_PHASES["etcdctl"],
    "health": INIT_PHASES["health"],
}
"""Likewise of ``etcdadm join``."""


def member_requirements(request: CreateRequest) -> Requirements:
    """What a host of etcd alone has to give."""
    size = sum(item.size for item in request.artifacts.values())
    return Requirements(control_plane=True, pods=False, memory=MEMORY, disk=6 * size + 1024 * MIB, networks={})


def compile_member(request: CreateRequest, others: Mapping[str, str], phases: Sequence[str] = ()) -> Plan:
    """The plan that makes the request's one machine a member of etcd.

    Args:
        request: with one master.
        others: addresses of the members that there are, by their names; none for a new cluster.
        phases: only these, by their names; all by default. What comes before them is taken as done.
    """
    draft = Draft()
    draft.budgets["uploads"] = request.options.uploads
    target = Target(request, request.machines[0], draft.on(request.machines[0].name))
    admitted = admit(target, member_requirements(request))
    etcd_member(target, Prepared(admitted, "", "", ()), Ensemble(others))
    known = JOIN_PHASES if others else INIT_PHASES
    if phases:
        draft.tasks = _of_phases(draft.tasks, known, phases)
    return draft.plan(request, {target.machine.name: target.facts}, {"machines": [target.machine.to_object()]})


def _of_phases(tasks: Sequence[Task], known: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> list[Task]:
    """The tasks of some phases, each needing of the others only what is among them."""
    paths = [path for name in wanted for path in known[name]]
    chosen = {task.id for task in tasks if _below(task.id.partition("/")[2], paths)}
    return [
        task.model_copy(update={"needs": tuple(need for need in task.needs if need in chosen)})
        for task in tasks
        if task.id in chosen
    ]


def _below(path: str, tops: Sequence[str]) -> bool:
    return any(path == top or path.startswith((f"{top}/", f"{top}-")) for top in tops)
