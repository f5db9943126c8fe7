"""Runs: a plan is started, gone on with, or taken back, and in the end folded into the state."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

from klusterkit import __version__
from klusterkit.engine.errors import UsageError
from klusterkit.engine.events import Sink
from klusterkit.engine.executor import GRACE, LocalExecutor
from klusterkit.engine.journal import Direction, Journal, Record, Settled, Status
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.runner import Report, Runner, refuse_past_return
from klusterkit.hosts import Fleet
from klusterkit.hosts.fence import Ending
from klusterkit.session.connect import claim, fleet_for_plan, machines_of, refuse_taken
from klusterkit.session.errors import NoRun, RunCutShort
from klusterkit.session.hold import Hold
from klusterkit.session.hostkeys import without_keys_of
from klusterkit.session.running import ending
from klusterkit.session.running.asides import told_of_asides
from klusterkit.session.running.briefs import brief_of, kept
from klusterkit.session.running.copies import keep_copies
from klusterkit.session.running.gonehosts import refuse_without, told_of, without_hosts
from klusterkit.session.running.inputs import secret_for, with_replaced, without_inputs
from klusterkit.session.running.log import RunLog, tee
from klusterkit.session.running.staleness import refuse_moved, refuse_other_state
from klusterkit.state import Snapshot, StateError, who
from klusterkit.tasks.artifacts import Upload

Choice = Literal["adopt", "retry", "skip"]


def start(hold: Hold, plan: Plan, tell: Sink, running: Callable[[Runner], None]) -> Report:
    """Begin a run of exactly this plan, and walk it.

    Args:
        hold: opened for writing.
        plan: what to do. Refused with ``PlanStale`` when the state or a host has moved on since it was made.
        tell: told what happens.
        running: given the runner before it starts, so that a signal handler can stop it.
    """
    hold.refuse_run_in_progress()
    _supply(hold, plan, plan.tasks)
    refuse_other_state(hold, plan)
    with fleet_for_plan(hold, plan) as fleet:
        refuse_moved(hold, plan, fleet)
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
        with contextlib.closing(_log(hold, name)) as log:  # where it can't be written, nothing has begun yet
            journal = Journal.open(hold.state, plan, run=name, who=who(), version=__version__)
            return _walk(hold, journal, fleet, log, Direction.FORWARD, tell, running)


def resume(
    hold: Hold,
    decisions: Mapping[str, Choice],
    tell: Sink,
    running: Callable[[Runner], None],
    gone: Collection[str] = (),
) -> Report:
    """Go on towards the plan's end, after an interruption, a failure, a question, or half a rollback.

    Args:
        hold: opened for writing.
        decisions: what the operator says of tasks.
        tell: told what happens.
        running: given the runner before it starts.
        gone: hosts that won't come back: what is left to do there isn't done.
    """
    journal = _in_progress(hold)
    refuse_without(journal)
    left = [task for task in journal.plan.tasks if journal[task.id].status not in Settled and task.host not in gone]
    _supply(hold, journal.plan, left)
    decided = _decided(journal, decisions)
    return _go_on(hold, journal, Direction.FORWARD, tell, running, decided, gone)


def rollback(hold: Hold, tell: Sink, running: Callable[[Runner], None], gone: Collection[str] = ()) -> Report:
    """Undo what the run in progress has done, but on hosts that are gone for good.

    Raises ``PointOfNoReturn`` where that is past.
    """
    return _go_on(hold, _in_progress(hold), Direction.BACK, tell, running, (), gone)


def _go_on(
    hold: Hold,
    journal: Journal,
    direction: Direction,
    tell: Sink,
    running: Callable[[Runner], None],
    decided: Sequence[Record],
    gone: Collection[str],
) -> Report:
    with (
        fleet_for_plan(hold, journal.plan) as fleet,
        _told_as_resumable(hold),
        contextlib.closing(_log(hold, journal.run)) as log,
    ):
        if direction is Direction.BACK:  # what is decided can't be withdrawn, so nothing is where this is refused
            refuse_past_return(journal)
            ending.refuse_left(fleet, journal, {*hold.guests, *journal.gone, *gone})
        known = machines_of(hold, journal.plan)
        decided = [*decided, *without_hosts(journal, fleet, known, gone, direction)]
        return _walk(hold, journal, fleet, log, direction, tell, running, decided)


def _log(hold: Hold, run: str) -> RunLog:
    return RunLog(hold.state.path, run, hold.mask, debug=hold.settings.debug)


def _supply(hold: Hold, plan: Plan, tasks: Sequence[Task]) -> None:
    """What these tasks bring to hosts is on this machine, before any of those is touched."""
    if any(isinstance(task.step, Upload) for task in tasks):
        from klusterkit.session.running.completeness import supply_plan  # slow to import: bundles, and the web

        supply_plan(hold, plan, tasks)


def _in_progress(hold: Hold) -> Journal:
    journal = hold.run
    if journal is None:
        raise NoRun("no run is in progress", hint="`cctl history` shows what has ended")
    return journal


def _decided(journal: Journal, decisions: Mapping[str, Choice]) -> list[Record]:
    for task in decisions:
        if task not in journal.plan.by_id:
            raise UsageError(f"the run has no task {task!r}", hint="`cctl status` lists them")
        if journal[task].status not in (Status.UNKNOWN, Status.FAILED, Status.UNDO_UNKNOWN, Status.STUCK):
            raise UsageError(
                f"{task} is {journal[task].status}: there is nothing to decide",
                hint="--adopt, --retry and --skip are for tasks that failed or whose end is unknown",
            )
    return [Record(record="decide", at=time.time(), task=task, choice=decisions[task]) for task in decisions]


def _walk(
    hold: Hold,
    journal: Journal,
    fleet: Fleet,
    log: RunLog,
    direction: Direction,
    tell: Sink,
    running: Callable[[Runner], None],
    decided: Sequence[Record] | None = None,
) -> Report:
    """Walk a run that has just begun, or one that is gone on with, after what was decided of it."""
    towards: Ending = "done" if direction is Direction.FORWARD else "undone"
    with _told_as_resumable(hold):
        claim(hold, fleet, journal, towards)
        if decided is not None:
            without = {journal.plan.by_id[str(each.task)].host for each in decided if each.choice == "gone"}
            refuse_taken(fleet, {*journal.plan.hosts}.difference(journal.gone, without))
            journal.write(*decided)
        runner = Runner(journal, _executor(hold, journal, fleet, log), tee(log.event, tell))
        running(runner)
        report = runner.forward() if direction is Direction.FORWARD else runner.back()
        others = hold.guests.union(journal.gone)
        if runner.abandoned:
            fleet.abandon()
        if report.outcome == towards:
            ending.end(fleet, journal, towards, stay=hold.belonging, guests=others, records=hold.records)
            hold.notices += told_of_asides(fleet, journal, towards, others)
            fold(hold, journal, report, met=fleet.known(set(journal.plan.hosts) - others))
            hold.notices += told_of(journal)
            hold.notices += keep_copies(hold.state, hold.machines, fleet)
    return report


@contextmanager
def _told_as_resumable(hold: Hold) -> Generator[None]:
    """What began is in the journal, whether its disk is full now or not."""
    try:
        hold.state.make_durable()  # or hosts would be told of records that a power cut takes away
        yield
    except StateError as error:
        operation = hold.state.records[0]["plan"]["operation"]
        raise RunCutShort(
            f"'{operation}' had to stop: {error.message}",
            hint=f"{error.hint}; `cctl resume` goes on from there, `cctl rollback` takes it back",
        ) from error


def _executor(hold: Hold, journal: Journal, fleet: Fleet, log: RunLog) -> LocalExecutor:
    def acting(name: str) -> None:
        if hold.claims and name not in hold.guests:
            fleet[name].reach(journal.run, journal.length)

    return LocalExecutor(
        fleet,
        secret=secret_for(hold, journal.plan),
        artifact=hold.artifact,
        mask=hold.mask,
        acting=acting,
        on_crash=lambda text: log.note("crash", traceback=text),
        # Whoever waits for a host whose link is gone doesn't hang.
        grace=GRACE + hold.settings.patience,
    )


def fold(hold: Hold, journal: Journal, report: Report, met: Iterable[str] = ()) -> None:
    """End the run: its outcome becomes the state, and the journal is empty. Killed before, it is done at the resume.

    Args:
        hold: of the state.
        journal: of the run.
        report: how it ended.
        met: keys of its hosts, as lines of ``known_hosts``: those that weren't pinned yet are from now on.
    """
    snapshot = without_inputs(hold, hold.snapshot)
    snapshot = snapshot.model_copy(update={"host_keys": list(dict.fromkeys([*snapshot.host_keys, *met]))})
    if report.outcome == "done":
        snapshot = _with_outcome(hold, snapshot, journal.plan.outcome, journal.gone)
    runs = kept([*snapshot.runs, brief_of(journal, report.outcome)])
    hold.state.fold(snapshot.model_copy(update={"runs": runs}))


def _with_outcome(hold: Hold, snapshot: Snapshot, outcome: Mapping[str, Any], lost: Collection[str] = ()) -> Snapshot:
    """What the plan says of the state afterwards: fields with what is new in them, and ``removed``, what has left."""
    removed = outcome.get("removed", {})
    gone_for_good = {*removed.get("gone", ()), *({*removed.get("machines", ())}.intersection(lost))}
    for name in removed.get("secrets", ()):
        snapshot = hold.state.without_secret(snapshot, name)
    snapshot = with_replaced(hold, snapshot, outcome)
    said = {field: value for field, value in outcome.items() if field not in ("removed", "visited", "secrets")}
    new = {field: _merged(getattr(snapshot, field), value) for field, value in said.items()}
    # What answers at the address of a host that is gone for good is another one.
    gone = [machine for machine in hold.machines if machine.name in gone_for_good]
    new.setdefault("host_keys", without_keys_of(gone, snapshot.host_keys))
    machines = new.get("machines", snapshot.machines)
    left = [data for data in machines if data["metadata"]["name"] not in removed.get("machines", ())]
    return snapshot.model_copy(update={**new, "machines": left})


def _merged(old: Any, new: Any) -> Any:
    """Objects of a list replace those of the same name; anything else is replaced as a whole."""
    if not isinstance(old, list):
        return new
    both = cast(list[dict[str, Any]], [*old, *new])
    return list({str(item["metadata"]["name"]): item for item in both}.values())
