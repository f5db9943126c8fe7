"""The journal: the only memory of a run.

Four rules (Pulumi's, see the design): a step acts only after its ``begin`` is durable; it counts as done only after its
``end`` is durable; whatever needs it starts only then; records of independent tasks may come in any order. So after
a crash at any moment, replaying the records tells for each task what is known, and a ``begin`` without an ``end`` is
*unknown*, a status of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.errors import Cancelled, ErrorInfo
from klusterkit.engine.plan import Plan, Task


class Direction(StrEnum):
    """Which way a run is going."""

    FORWARD = "forward"
    BACK = "back"


class Status(StrEnum):
    """What is known about a task."""

    PENDING = "pending"
    UNKNOWN = "unknown"
    """Its apply began and hasn't ended: it is running now, or nobody knows how it ended."""
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The operator said to go on without it."""
    UNDO_UNKNOWN = "undo unknown"
    UNDONE = "undone"
    STUCK = "stuck"
    """Its undo failed: the host needs a hand before the run can go back further."""


Settled = frozenset({Status.DONE, Status.SKIPPED})
"""What lets a dependant start."""

NotBegun = frozenset({Status.PENDING, Status.UNDONE})
"""What lets a task be taken back that this one needs."""


class Record(BaseModel):
    """One line of the journal. It holds no secret.

    ``run`` opens the journal and carries the plan; ``begin``, ``end`` and ``fail`` speak of one task in one direction;
    ``leave`` says that one which changes nothing was stopped, and has not begun, so to say; ``ask`` that only the
    operator can tell, ``decide`` is the answer; ``turn`` changes the run's direction; ``stop`` says that somebody
    wanted the run to stop, and no more than that: what then ran has its own ``end``, or hasn't.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: Literal["run", "begin", "end", "fail", "leave", "ask", "decide", "turn", "stop"]
    at: float
    """Seconds since the epoch, by the control machine's clock."""
    run: str | None = None
    plan: dict[str, Any] | None = None
    who: str | None = None
    version: str = ""
    """Of a ``run``: the version of KlusterKit that began it."""
    task: str | None = None
    direction: Direction = Direction.FORWARD
    attempt: int = 0
    before: dict[str, Any] | None = None
    """Of a forward ``begin``: what undo will put back."""
    since: float = 0.0
    """Of a forward ``begin``, and of an ``end`` without one: when the task was taken up, to be looked at first."""
    changed: bool = True
    """Of an ``end``: False where the host already was as wanted, so that there is nothing to undo."""
    source: Literal["run", "look", "operator"] = "run"
    """Of an ``end``: who says so: the run itself, a look after a crash, or the operator."""
    error: ErrorInfo | None = None
    choice: Literal["adopt", "retry", "skip", "gone"] | None = None
    """``gone``: the task's host is, for good. In the record's direction, nothing is left to do there."""
    at_once: bool = False
    """Of a ``stop``: whether nothing was waited for any more."""

    def data(self) -> dict[str, Any]:
        """The record as plain data, fields at their default left out."""
        return {"record": self.record, "at": self.at, **self.model_dump(mode="json", exclude_defaults=True)}


class TaskState(BaseModel):
    """All that is known about one task."""

    model_config = ConfigDict(frozen=True)

    status: Status = Status.PENDING
    attempt: int = 0
    undo_attempt: int = 0
    round: int = 0
    """How often the task has been undone: what it keeps on its host is kept anew in each round."""
    before: dict[str, Any] | None = None
    """What its undo puts back; None where it has not begun, or changed nothing."""
    error: ErrorInfo | None = None
    asked: bool = False
    retry: bool = False
    """The operator said to do it again, whatever is there."""
    began: float = 0.0
    """When it was taken up: what it takes includes the look at what is there."""
    ended: float = 0.0

    def after(self, record: Record) -> TaskState:
        """The state once this record is known."""
        match record.record:
            case "begin" if record.direction is Direction.FORWARD:
                # A second attempt observes what the first one left: what undo must put back is what the first one saw.
                before = self.before if self.before is not None else record.before
                update: dict[str, Any] = {"status": Status.UNKNOWN, "attempt": record.attempt, "before": before}
                update |= {"error": None, "asked": False, "retry": False, "began": record.since or record.at}
            case "begin":
                update = {"status": Status.UNDO_UNKNOWN, "undo_attempt": record.attempt, "began": record.at}
                update |= {"error": None, "asked": False, "retry": False}
            case "end" if record.direction is Direction.FORWARD:
                before = self.before if record.changed else None
                update = {"status": Status.DONE, "before": before, "error": None, "asked": False, "ended": record.at}
                update |= {"began": record.since or self.began}
            case "end":
                update = {"status": Status.UNDONE, "before": None, "error": None, "round": self.round + 1}
                update |= {"asked": False, "retry": False, "ended": record.at}
            case "fail":
                status = Status.FAILED if record.direction is Direction.FORWARD else Status.STUCK
                update = {"status": status, "error": record.error, "asked": False, "ended": record.at}
            case "leave":
                update = {"status": Status.PENDING, "before": None, "error": None, "ended": record.at}
            case "ask":
                update = {"asked": True, "error": record.error}
            case "decide":
                update = self._decided(record)
            case _:
                update = {}
        return self.model_copy(update=update)

    def _decided(self, record: Record) -> dict[str, Any]:
        match record.choice:
            case "adopt":
                return {"status": Status.DONE, "error": None, "asked": False, "ended": record.at}
            case "skip":
                return {"status": Status.SKIPPED, "error": None, "asked": False, "ended": record.at}
            case "gone":
                return self._without_its_host(record)
            case _:
                return {"status": Status.FAILED, "asked": False, "retry": True}

    def _without_its_host(self, record: Record) -> dict[str, Any]:
        if record.direction is Direction.BACK:
            return {"status": Status.UNDONE, "before": None, "error": None, "asked": False, "ended": record.at}
        status = self.status if self.status in Settled else Status.SKIPPED
        return {"status": status, "error": None, "asked": False, "ended": record.at}

    @property
    def unknown(self) -> bool:
        """Whether something began and its end isn't known."""
        return self.status in (Status.UNKNOWN, Status.UNDO_UNKNOWN)

    @property
    def to_undo(self) -> bool:
        """Whether the host may differ from before because of this task."""
        return self.before is not None


class Store(Protocol):
    """Where records are kept, such as the state file."""

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """The records of the run in progress, oldest first."""
        ...

    def append(self, *records: Mapping[str, Any]) -> None:
        """Add records in this order; durable when it returns. Raises when they aren't, and keeps the ones before."""
        ...


class Journal:
    """The records of one run, and what they say. Safe to use from many threads."""

    def __init__(self, store: Store, plan: Plan | None = None) -> None:
        """Replay what the store holds. Its first record has to be a ``run``; ``plan`` is that record's, if at hand."""
        self._store = store
        self._lock = threading.Lock()
        self._sealed = False
        records = [Record.model_validate(_known(data)) for data in store.records]
        if not records or records[0].record != "run" or records[0].plan is None or records[0].run is None:
            raise ValueError("a journal begins with the record of a run")
        self.run = records[0].run
        self.who = records[0].who or ""
        self.version = records[0].version
        self.began = records[0].at
        self.plan = plan or Plan.parse(records[0].plan)
        self.direction = Direction.FORWARD
        self.gone: dict[str, Direction] = {}
        """Hosts that are gone for good, and on which way the run goes on without them."""
        self._states: dict[str, TaskState] = {}
        self._length = len(records)
        for record in records[1:]:
            self._learn(record)

    @classmethod
    def open(cls, store: Store, plan: Plan, *, run: str, who: str, version: str = "") -> Journal:
        """Begin a run: the plan is on disk before anything acts. The store must hold no other run."""
        if store.records:
            raise ValueError("another run is in progress")
        spec = {**plan.checked().spec(), "digest": plan.digest}
        store.append(Record(record="run", at=time.time(), run=run, plan=spec, who=who, version=version).data())
        return cls(store, plan)  # reading it back takes as long as compiling it

    def __getitem__(self, task: str) -> TaskState:
        return self._states.get(task, _PENDING)

    @property
    def only_back(self) -> bool:
        """Whether it can't go forward any more: on its way back it has left a host behind."""
        return Direction.BACK in self.gone.values()

    @property
    def length(self) -> int:
        """How many records are durable."""
        return self._length

    @property
    def states(self) -> dict[str, TaskState]:
        """The state of each task of the plan, in the plan's order."""
        return {task.id: self[task.id] for task in self.plan.tasks}

    def write(self, *records: Record) -> None:
        """Make records durable, then believe them."""
        if not records:
            return
        with self._lock:
            if self._sealed:
                raise Cancelled("the run was left; what this step did is settled when the run is resumed")
            self._store.append(*(record.data() for record in records))
            self._length += len(records)
            for record in records:
                self._learn(record)

    def seal(self) -> None:
        """Take no more records: whoever still works for this run was left behind."""
        with self._lock:
            self._sealed = True

    def _learn(self, record: Record) -> None:
        if record.record == "turn":
            self.direction = record.direction
            self.gone = {host: way for host, way in self.gone.items() if way is record.direction}
        elif record.task is not None:
            self._states[record.task] = self[record.task].after(record)
            if record.choice == "gone":
                self.gone[self.plan.by_id[record.task].host] = record.direction

    def turn(self, direction: Direction) -> None:
        """Go the other way from here, unless that is the way already."""
        if direction is not self.direction:
            self.write(Record(record="turn", at=time.time(), direction=direction))

    def finished(self) -> bool:
        """Whether nothing is left to do in the run's direction."""
        states = self.states.values()
        if self.direction is Direction.FORWARD:
            return all(state.status in Settled for state in states)
        return all(state.status in NotBegun for state in states)


def _known(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the store adds to a record of ours (its number, its place in the hash chain)."""
    return {name: value for name, value in data.items() if name in Record.model_fields}


_PENDING = TaskState()


def passed(plan: Plan, states: Mapping[str, TaskState]) -> Task | None:
    """The first point of no return that has begun; None as long as all of the run can be taken back."""
    return next((task for task in plan.points_of_no_return() if states[task.id].to_undo), None)


def counts(states: Iterable[TaskState]) -> dict[Status, int]:
    """How many tasks are in each status."""
    found: dict[Status, int] = {}
    for state in states:
        found[state.status] = found.get(state.status, 0) + 1
    return found
