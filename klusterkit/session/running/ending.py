"""What the end of a run leaves on its hosts: a record of what was done there, or nothing where a machine has left.

All of it can be done twice: a command that is killed before the run is folded does it again at the resume.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.host import HOME, Host
from klusterkit.engine.journal import Direction, Journal, passed
from klusterkit.engine.record import PLACE, RecordChanged, done_by_host
from klusterkit.engine.step import Undo, copies_of
from klusterkit.hosts.errors import StaleState
from klusterkit.hosts.fence import FENCE, REACHED, Ending, mark_ended
from klusterkit.session.errors import RunCutShort
from klusterkit.session.running.records import Records
from klusterkit.tasks.prior import ABSENT
from klusterkit.tasks.revert import Revert

AT_ONCE = 32

Hosts = Callable[[str], Host]
"""A host by its name, such as a fleet."""

_COPIES_STAY = "copies on it that hold what was there before can't be removed"

SET_ASIDE = "set-aside"
"""Data of etcd, in KlusterKit's folder: never removed by KlusterKit."""


def end(
    hosts: Hosts,
    journal: Journal,
    ending: Ending,
    stay: Collection[str],
    guests: Collection[str] = (),
    *,
    records: Records,
) -> None:
    """Have the hosts know that the run is over, before the state does: a copy of it with the journal lasts.

    Args:
        hosts: those of the plan.
        journal: of the run.
        ending: how it ended.
        stay: machines of the cluster as it was. Others are as before when the run is undone, and belong to nobody:
            another state may have them.
        guests: hosts that were only asked. Nothing of the run is theirs.
        records: of what was done, as the state keeps them on hosts.

    Raises:
        RunCutShort: a host can't be told now.
    """
    names = set(journal.plan.hosts).difference(guests)
    if ending == "done":
        leaving = _leaving(journal, guests)
        visited = names.intersection(data["metadata"]["name"] for data in visited_by(journal.plan.outcome))
        record(hosts, journal, guests, records=records)
        tell_ended(hosts, journal, names - leaving - visited, ending)
        let_go(hosts, journal, visited)
        clear(hosts, journal, guests)
        drop_copies(hosts, journal, names - leaving)
        drop_superseded(hosts, journal, names - leaving, records=records)
    else:
        forget(hosts, journal, guests, records=records)
        tell_ended(hosts, journal, names.intersection(stay), ending)
        let_go(hosts, journal, names.difference(stay))
        drop_copies(hosts, journal, names)


def record(hosts: Hosts, journal: Journal, guests: Collection[str] = (), *, records: Records) -> None:
    """Keep on each host that stays what the run changed there, for the day when it leaves; no more what it took back.

    Raises:
        RunCutShort: a host doesn't take it now.
    """
    changed = done_by_host(journal.plan, journal.run, journal.states)
    taken_back = {
        (task.host, task.step.run, task.step.task) for task in journal.plan.tasks if isinstance(task.step, Revert)
    }
    touched = {*changed, *(host for host, _, _ in taken_back)}
    names = touched.difference(guests, leaving_by(journal.plan.outcome))

    def keep(name: str) -> None:
        host = hosts(name)
        before = records.read(host)
        mine = {(run, task) for at, run, task in taken_back if at == name}
        after = before.without(mine).after(changed.get(name, ()))
        if after != before:
            host.keep(PLACE, _earlier(journal))
            records.write(host, after)

    _each(journal, names, keep, "what was done can't be recorded on it")


def forget(hosts: Hosts, journal: Journal, guests: Collection[str] = (), *, records: Records) -> None:
    """Have each host's record as it was before a run that is undone: it was written if the run's end was cut short.

    Raises:
        RunCutShort: a host doesn't answer now.
    """

    def as_before(name: str) -> None:
        host = hosts(name)
        if host.stat(_earlier(journal))[0].type != ABSENT:
            host.put_back(_earlier(journal), PLACE)
        elif records.read(host).of_run_alone(journal.run):
            host.remove(PLACE)

    names = set(journal.plan.hosts).difference(guests)
    _each(journal, names, as_before, "its record can't be made what it was before")


def tell_ended(hosts: Hosts, journal: Journal, names: Iterable[str], ending: Ending) -> None:
    """Have hosts remember how the run has ended. From then on it can't be led elsewhere.

    Raises:
        RunCutShort: a host doesn't take it now.
    """

    def told(name: str) -> None:
        mark_ended(hosts(name), ending)
        hosts(name).remove(_earlier(journal))

    _each(journal, names, told, "it can't be told so")


def _earlier(journal: Journal) -> str:
    """Where a host keeps its record as it was before the run, while that may still be undone."""
    return f"{PLACE}.{journal.run}"


def let_go(hosts: Hosts, journal: Journal, names: Iterable[str]) -> None:
    """Hosts that are as before and belong to nobody: another state may have them."""
    _each(journal, names, lambda name: hosts(name).remove(FENCE, REACHED, _earlier(journal)), "it can't be let go")


def drop_copies(hosts: Hosts, journal: Journal, names: Collection[str]) -> None:
    """Remove copies that nothing can ask for any more: of what isn't the host's own, and so in no record of it.

    They may hold secrets, such as what a Secret of the cluster was before.
    """
    copies: dict[str, list[str]] = {}
    for task in journal.plan.tasks:
        if task.host in names and task.step.undoing is Undo.EXACT and not task.step.subject:
            copies.setdefault(task.host, []).extend(_copies(journal, task.id))
    _each(journal, copies, lambda name: hosts(name).remove(*copies[name], recursive=True), _COPIES_STAY)


def drop_superseded(hosts: Hosts, journal: Journal, names: Collection[str], *, records: Records) -> None:
    """Remove copies of what an earlier run has made: the record goes by how the host was before that one.

    They may hold secrets, such as the former password of an account.
    """
    changed = done_by_host(journal.plan, journal.run, journal.states)

    def drop(name: str) -> None:
        recorded = {(each.run, each.task) for each in records.read(hosts(name)).done}
        passed_over = [each.task for each in changed[name] if (each.run, each.task) not in recorded]
        if passed_over:
            hosts(name).remove(*(folder for task in passed_over for folder in _copies(journal, task)), recursive=True)

    _each(journal, set(names).intersection(changed), drop, _COPIES_STAY)


def _copies(journal: Journal, task: str) -> Iterator[str]:
    """The folders of a task's copies: each time that it was begun after it was undone, it has kept its own."""
    return (copies_of(f"{journal.run}.{number}", task) for number in range(journal[task].round + 1))


def clear(hosts: Hosts, journal: Journal, guests: Collection[str] = ()) -> None:
    """Empty KlusterKit's folder on hosts that have left; what the plan says to keep stays, and data set aside.

    The record goes first: see :func:`refuse_left`.
    """
    keep = journal.plan.outcome.get("removed", {}).get("keep", ())
    kept = {f"{HOME}/{name}" for name in (SET_ASIDE, *keep)}

    def empty(name: str) -> None:
        host = hosts(name)
        found = host.run(["find", HOME, "-mindepth", "1", "-maxdepth", "1", "-print0"]).out.decode().split("\0")
        gone = [path for path in found if path and path not in kept]
        host.remove(PLACE)
        host.remove(*gone, recursive=True)
        if not kept.intersection(found):
            host.remove(HOME)

    _each(journal, _leaving(journal, guests), empty, "KlusterKit's folder on it can't be emptied")


def refuse_left(hosts: Hosts, journal: Journal, guests: Collection[str] = ()) -> None:
    """Refuse to take a run back whose end has come to a host that leaves: what undo would put back is gone from there.

    Raises:
        StaleState: it has.
        HostRefused, HostUnreachable: a host can't be asked.
    """
    if journal.direction is Direction.BACK or not journal.finished():
        return
    for name in _leaving(journal, guests):
        if hosts(name).stat(PLACE)[0].type == ABSENT:
            raise StaleState(
                f"{name} has left already: the run can't be taken back any more",
                host=name,
                seen=f"{PLACE} is gone",
                hint="`cctl resume` ends the run",
            )


def _leaving(journal: Journal, guests: Collection[str]) -> set[str]:
    """Hosts that are nobody's when the run is done."""
    return set(journal.plan.hosts).intersection(leaving_by(journal.plan.outcome)).difference(guests)


def visited_by(outcome: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Machine objects of those that a plan goes to, and that don't become part of the cluster by it."""
    return outcome.get("visited", {}).get("machines", [])


def leaving_by(outcome: Mapping[str, Any]) -> list[str]:
    """Names of machines that are none of the cluster's when a plan is done."""
    return outcome.get("removed", {}).get("machines", [])


def _each(journal: Journal, names: Iterable[str], act: Callable[[str], None], failing: str) -> None:
    def told(name: str) -> None:
        try:
            act(name)
        except KlusterKitError as error:
            raise RunCutShort(
                f"'{journal.plan.operation}' can't end on {name}: {failing}",
                host=name,
                seen=f"{error.message}{f': {error.seen}' if error.seen else ''}",
                hint=_way_out(journal, name, error),
            ) from error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(told, names))


def _way_out(journal: Journal, name: str, error: KlusterKitError) -> str:
    command = "resume" if journal.direction is Direction.FORWARD else "rollback"
    if not isinstance(error, RecordChanged):
        return f"{error.hint or 'see what is wrong with the host'}; then `cctl {command}` ends the run"
    by_backup = f"see who was on that host; bring {PLACE} back from a backup, then `cctl {command}` ends the run"
    # No machine is deleted while a run is in progress.
    if passed(journal.plan, journal.states) is None:
        return f"{by_backup}; or switch the host off: `cctl rollback --gone {name}` takes the run back without it"
    return f"{by_backup}; without one, remove the file for that, then switch the host off and delete it with --gone"
