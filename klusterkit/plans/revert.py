"""A host taken back to what it was, by undoing the very tasks that made it, in the opposite order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from klusterkit.engine.record import Done, HostRecord
from klusterkit.plans.draft import HostDraft, Needs, flat
from klusterkit.tasks.revert import Discard, Revert

TIMEOUT = 900.0
"""Seconds. Folders are removed as fast as the disk is; data that is set aside is copied first."""
LONGEST = 1.0
"""Seconds that taking one thing back is expected to take at most: nothing is brought to the host or waited for."""

_NOTHING: Mapping[str, Needs] = {}


def take_back(
    on: HostDraft,
    record: HostRecord,
    *needs: Needs,
    first: Mapping[str, Needs] = _NOTHING,
    last: Mapping[str, Needs] = _NOTHING,
) -> dict[str, str]:
    """Undo all that runs did to a host: what came last first, and each run as a whole before the ones before it.

    Args:
        on: the host.
        record: what was done there.
        needs: what has to be done before anything is taken back.
        first: what is taken back ahead of its turn, by its subject, with what that needs instead.
        last: what can't come back once it is taken back, by its subject, with what has to be done before it too.

    Returns the tasks by their subjects.
    """
    ids = _ids(on.host, record)
    before: Needs = flat(needs)
    tasks: dict[str, str] = {}
    for run in reversed(record.runs()):
        followers = _followers(run, ids)
        ahead = {ids[_key(done)] for done in run if done.step.subject in first}
        for done in reversed(run):
            subject, later = done.step.subject, followers[done.task]
            # What follows only those that are ahead of their turn waits for its own.
            turn = [later, () if set(later) - ahead else before, last.get(subject, ())]
            waits = [first[subject]] if subject in first else turn
            tasks[subject] = on.add(
                ids[_key(done)].removeprefix(f"{on.host}/"),
                _undoing(done, for_good=subject in last),
                *waits,
                cost=min(done.cost, LONGEST),
                timeout=TIMEOUT,
            )
        before = [ids[_key(done)] for done in run if not done.needs]
    return tasks


def _undoing(done: Done, *, for_good: bool) -> Revert:
    kind = Discard if for_good else Revert
    return kind(step=done.step, before=done.before, run=done.run, task=done.task)


def ends(host: str, record: HostRecord, but: Collection[str]) -> list[str]:
    """Tasks of :func:`take_back` that come last, so that all is done when they are.

    Without the subjects in ``but``, and without what is taken back after those.
    """
    ids = _ids(host, record)
    needs = {done.task: done.needs for done in record.done}
    waiting = [done.task for done in record.done if done.step.subject in but]
    after: set[str] = set()
    while waiting:
        task = waiting.pop()
        after.add(task)
        waiting += [need for need in needs.get(task, ()) if need not in after]
    return [ids[_key(done)] for done in record.done if not done.needs and done.task not in after]


def _key(done: Done) -> tuple[str, str]:
    return done.run, done.task


def _ids(host: str, record: HostRecord) -> dict[tuple[str, str], str]:
    """The id of each task's undoing. Several runs may have had a task of the same name, for different things."""
    seen: Counter[str] = Counter()
    ids: dict[tuple[str, str], str] = {}
    for done in record.done:
        seen[done.task] += 1
        again = f"+{seen[done.task]}" if seen[done.task] > 1 else ""
        ids[_key(done)] = f"{host}/undo/{done.task.removeprefix(f'{host}/')}{again}"
    return ids


def _followers(run: Sequence[Done], ids: Mapping[tuple[str, str], str]) -> dict[str, list[str]]:
    """For each task of a run, the undoing of those that needed it."""
    followers: dict[str, list[str]] = {done.task: [] for done in run}
    for done in run:
        for need in done.needs:
            # What it needed may have been recorded by an earlier run already, and so not again.
            if need in followers:
                followers[need].append(ids[_key(done)])
    return followers
