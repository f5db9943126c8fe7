"""A host that is lost for good while a run is under way: the run ends without it, where that loses nothing.

What the run has changed on the host itself is gone with it. What it has changed in the cluster by way of that host,
such as a vote in etcd or a label, only the host's own undo would put back: then the run has to wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterable

from klusterkit.cluster import Machine
from klusterkit.engine.errors import HostUnreachable, UsageError
from klusterkit.engine.journal import Direction, Journal, Record, Settled
from klusterkit.engine.plan import Task
from klusterkit.engine.step import Undo
from klusterkit.hosts import Fleet
from klusterkit.hosts.errors import ChangedHostKey
from klusterkit.session.running.ending import leaving_by
from klusterkit.tasks.revert import Discard, Revert


def hosts_of_run(journal: Journal, machines: Iterable[Machine], named: Collection[str]) -> frozenset[str]:
    """Hosts of a run by their names or addresses. Raises ``UsageError`` for one that isn't its."""
    by_address = {str(machine.address): machine.name for machine in machines}
    found = frozenset(by_address.get(name, name) for name in named)
    if unknown := sorted(found.difference(journal.plan.hosts)):
        raise UsageError(
            f"the run has no host {', '.join(unknown)}", hint=f"its hosts are {', '.join(journal.plan.hosts)}"
        )
    return found


def without_hosts(
    journal: Journal, fleet: Fleet, machines: Iterable[Machine], gone: Collection[str], direction: Direction
) -> list[Record]:
    """What says of every task of these hosts that nothing is left to do there.

    Args:
        journal: of the run.
        fleet: its hosts.
        machines: of the cluster, and those that the run makes part of it.
        gone: names of hosts.
        direction: of the run from now on.

    Raises:
        UsageError: one of them answers, or nobody else does; or the run can't go this way without one of them.
        HostRefused: one of them is there.
    """
    if not gone:
        return []
    masters = {machine.name for machine in machines if machine.is_master}
    for name in gone:
        _refuse_needed(journal, name, masters, direction)
    for name in gone:
        _refuse_alive(fleet, name)
    _refuse_alone(fleet, [name for name in journal.plan.hosts if name not in gone])
    return [
        Record(record="decide", at=time.time(), task=task.id, choice="gone", direction=direction)
        for task in journal.plan.tasks
        if task.host in gone
    ]


def _refuse_needed(journal: Journal, name: str, masters: Collection[str], direction: Direction) -> None:
    if direction is Direction.FORWARD and name not in leaving_by(journal.plan.outcome):
        raise UsageError(
            f"the run can't be finished without {name}, which it doesn't make leave",
            hint=f"`cctl rollback --gone {name}`, or bring it back",
        )
    way = _needing_back if direction is Direction.BACK else _needing_on
    needing = way(journal, name, masters)
    if task := next(needing, None):
        raise UsageError(
            f"the run can't go {direction} without {name}: {task.id} ({task.step.title})",
            host=name,
            seen="that is a change of the cluster, which is only taken back or finished by way of that host",
            hint="bring it back, or a copy of its disk, then `cctl resume` or `cctl rollback`",
        )


def _needing_back(journal: Journal, name: str, masters: Collection[str]) -> Generator[Task]:
    """Tasks whose undo needs the host, and that have something to undo."""
    from klusterkit.tasks.membership import Join, Promote  # slow to import, and hosts are seldom gone

    for task in journal.plan.tasks:
        if not journal[task.id].to_undo or task.step.undoing is Undo.NOTHING:
            continue
        votes = name in masters and isinstance(task.step, Join | Promote)  # etcd gives no vote up when one is dead
        if votes or (_undone_on(journal, task) == name and not _own(journal, task)):
            yield task


def _needing_on(journal: Journal, name: str, masters: Collection[str]) -> Generator[Task]:
    """Tasks that are still to be done by way of the host, and not only on it."""
    from klusterkit.tasks.membership import Leave

    for task in journal.plan.tasks:
        if name in masters and isinstance(task.step, Leave) and journal[task.id].status not in Settled:
            yield task  # a member hands over before it leaves
        own = task.step.subject or isinstance(task.step, Revert | Discard) or task.step.undoing is Undo.NOTHING
        if task.host == name and journal[task.id].status not in Settled and not own:
            yield task


def _undone_on(journal: Journal, task: Task) -> str:
    """The host whose task undoes this one."""
    return _container(journal, task).host


def _own(journal: Journal, task: Task) -> bool:
    """Whether it changes, or is inside of what changes, nothing but its own host."""
    container = _container(journal, task)
    return container.host == task.host and bool(container.step.subject)


def _container(journal: Journal, task: Task) -> Task:
    while task.undone_by is not None:
        task = journal.plan.by_id[task.undone_by]
    return task


def _refuse_alive(fleet: Fleet, name: str) -> None:
    if _answers(fleet, name):
        raise UsageError(f"{name} isn't gone: it answers", host=name, hint="do without --gone: the run needs it")


def _refuse_alone(fleet: Fleet, others: Collection[str]) -> None:
    """The link of this machine may be what is gone."""
    if others and not any(_answers(fleet, name) for name in others):
        raise UsageError(
            "none of the run's hosts answers",
            seen=", ".join(others),
            hint="see to this machine's own network first; a host counts as gone when others answer and it doesn't",
        )


def _answers(fleet: Fleet, name: str) -> bool:
    try:
        fleet[name].connect()
    except (HostUnreachable, ChangedHostKey):  # with another key, it is another host by now
        return False
    return True


def refuse_without(journal: Journal) -> None:
    """Refuse to go forward where the way back has left a host behind: what the run did there is known no more."""
    if journal.only_back:
        raise UsageError(
            f"the run is being taken back without {', '.join(journal.gone)}, and can't go forward any more",
            hint="`cctl rollback` takes it to its end",
        )


def told_of(journal: Journal) -> list[str]:
    """What the operator should know of hosts that were gone when the run ended."""
    return [
        f"{name} is left as it is: should it come back, install it anew before it is connected to the others' network"
        for name in journal.gone
    ]
