"""Steps and hosts for the tests of the engine: what each task's verbs do can be scripted, one call after the other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.events import Event, Sink
from klusterkit.engine.executor import LocalExecutor
from klusterkit.engine.host import Completed, JobState
from klusterkit.engine.journal import Journal, Record
from klusterkit.engine.plan import Plan, Retry, Task
from klusterkit.engine.runner import Runner
from klusterkit.engine.step import Before, Context, Observation, Repeat, Step, Undo
from tests.support.jsonexecutor import JsonExecutor

QUICK = Retry(attempts=3, wait=0.001, longest=0.001)
Act = KlusterKitError | Exception | Callable[[Context], object]


class Cell(Step):
    """Brings a cell, named after its task, to ``value``."""

    kind: ClassVar[str] = "unit.cell"

    value: str = "new"

    def observe(self, on: Context) -> Observation:
        _bench(on).script("observe", on)
        seen = _bench(on).cells.get(on.task)
        half = (seen or "").startswith("half")
        return Observation(satisfied=seen == self.value, before={"was": seen}, partial=half, reason=f"it is {seen}")

    def apply(self, on: Context, before: Before) -> None:
        _bench(on).script("apply", on)
        _bench(on).cells[on.task] = self.value

    def undo(self, on: Context, before: Before) -> None:
        _bench(on).script("undo", on)
        if before["was"] is None:
            _bench(on).cells.pop(on.task, None)
        else:
            _bench(on).cells[on.task] = before["was"]


class Short(Cell):
    """One that is handed over with others."""

    kind: ClassVar[str] = "unit.short"
    batch: ClassVar[bool] = True


class Tuples(Cell):
    """One whose ``before`` has a tuple, of which JSON makes a list."""

    kind: ClassVar[str] = "unit.tuples"

    def observe(self, on: Context) -> Observation:
        seen = super().observe(on)
        return seen.model_copy(update={"before": {"was": seen.before["was"], "all": (1, 2)}})


class OnceCell(Cell):
    """One of which a second time may do harm."""

    kind: ClassVar[str] = "unit.once"
    repeat: ClassVar[Repeat] = Repeat.ONCE


class Inside(Cell):
    """One whose work is inside that of another."""

    kind: ClassVar[str] = "unit.inside"
    undoing: ClassVar[Undo] = Undo.CONTAINED


class Gate(Cell):
    """One that changes nothing that lasts; open when its cell says so."""

    kind: ClassVar[str] = "unit.gate"
    undoing: ClassVar[Undo] = Undo.NOTHING


class Final(Cell):
    """A point of no return."""

    kind: ClassVar[str] = "unit.final"
    undoing: ClassVar[Undo] = Undo.IRREVERSIBLE


class LongCell(Cell):
    """One that runs a program which outlives the connection."""

    kind: ClassVar[str] = "unit.long"

    def apply(self, on: Context, before: Before) -> None:
        _bench(on).script("apply", on)
        on.host.job(on.key, ["set", on.task, self.value])


def _bench(on: Context) -> Bench:
    return on.host.bench  # type: ignore[attr-defined]


class BenchHost:
    """A host of the bench."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench = bench
        self.name = name

    def job(self, key: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 600.0) -> Completed:
        if key not in self.bench.jobs:
            self.bench.programs.append(key)
        self.bench.jobs[key] = "ended"
        self.bench.cells[argv[1]] = argv[2]
        return Completed(rc=0)

    def job_state(self, key: str) -> JobState:
        status = self.bench.jobs.get(key, "none")
        # What programs say needn't be text.
        return JobState(status=status, completed=Completed(rc=0, out=b"\xff\xfe") if status == "ended" else None)

    def job_stop(self, key: str) -> None:
        if key in self.bench.jobs:
            self.bench.stopped.append(key)


class MemoryStore:
    """Records as a disk would keep them: as JSON."""

    def __init__(self, records: Sequence[Mapping[str, Any]] = ()) -> None:
        self._lines = [json.dumps(record) for record in records]
        self.fails_at: int | None = None
        self.error: BaseException = OSError("disk full")

    @property
    def records(self) -> list[Mapping[str, Any]]:
        return [json.loads(line) for line in self._lines]

    def append(self, *records: Mapping[str, Any]) -> None:
        if self.fails_at is not None and len(self._lines) + len(records) > self.fails_at:
            raise self.error
        self._lines += [json.dumps(record) for record in records]

    def words(self) -> list[str]:
        """The records in brief."""
        parts = ("record", "direction", "task", "choice")
        return [" ".join(str(record[part]) for part in parts if part in record) for record in self.records]


class Bench:
    """Some hosts, a journal in memory, and what was done."""

    def __init__(self) -> None:
        self.cells: dict[str, str] = {}
        self.jobs: dict[str, Literal["none", "running", "ended", "vanished"]] = {}
        self.programs: list[str] = []
        """Keys of the long programs that were started."""
        self.stopped: list[str] = []
        self.log: list[str] = []
        """Verbs, in the order in which they began."""
        self.crashes: list[str] = []
        self.events: list[Event] = []
        self.store = MemoryStore()
        self.released = threading.Event()
        self._scripts: dict[tuple[str, str], list[Act | None]] = {}
        self._lock = threading.Lock()
        self._before = set(threading.enumerate())

    def on(self, verb: str, task: str, *acts: Act | None) -> None:
        """What the next calls of this verb of this task do first: raise, call, or nothing."""
        self._scripts.setdefault((verb, task), []).extend(acts)

    def script(self, verb: str, on: Context) -> None:
        with self._lock:
            self.log.append(f"{verb} {on.task}")
            queue = self._scripts.get((verb, on.task))
            act = queue.pop(0) if queue else None
        if isinstance(act, Exception):
            raise act
        if act is not None:
            act(on)

    def hang(self, _: Context) -> None:
        """As an act: come back when the test is over, and then fail."""
        self.released.wait()
        raise OSError("hung until the end of the test")

    def settle(self) -> None:
        """Let go what hangs, and wait until nothing of any run is left that could act."""
        self.released.set()
        while left := [thread for thread in threading.enumerate() if thread not in self._before]:
            if left[0].ident is not None:  # else it is listed, but not started yet
                left[0].join(30)
                assert not left[0].is_alive(), left[0]

    def open(self, plan: Plan) -> Journal:
        """A new run."""
        return Journal.open(self.store, plan, run="r", who="somebody@somewhere")

    def journal(self) -> Journal:
        """The run as another process reads it."""
        return Journal(self.store)

    def runner(self, journal: Journal, *, grace: float = 30.0, at_once: int = 256, tell: Sink | None = None) -> Runner:
        """Walks it, through JSON."""
        hosts = {host: BenchHost(self, host) for host in journal.plan.hosts}
        local = LocalExecutor(hosts.__getitem__, grace=grace, on_crash=self.crashes.append)
        return Runner(journal, JsonExecutor(local), tell or self.events.append, at_once=at_once)

    def resumed(self, **options: Any) -> Runner:
        """A runner of another process."""
        return self.runner(self.journal(), **options)

    def decide(self, task: str, choice: Literal["adopt", "retry", "skip"]) -> None:
        """The operator's answer."""
        self.journal().write(Record(record="decide", at=time.time(), task=task, choice=choice))

    def happened(self, task: str | None = None) -> list[str]:
        """The events of a task, or of the run."""
        return [event.event for event in self.events if event.task == task]

    def done(self, verb: str) -> list[str]:
        """The tasks of which this verb was asked, in that order."""
        return [words.split()[1] for words in self.log if words.split()[0] == verb]


def task(name: str, *needs: str, step: Step | None = None, **fields: Any) -> Task:
    """A task on host ``h`` that retries quickly."""
    return Task(**{"id": name, "host": "h", "step": step or Cell(), "needs": needs, "retry": QUICK, **fields})


def plan(*tasks: Task, **fields: Any) -> Plan:
    """A plan of these."""
    return Plan(operation="test", lineage="l", serial=1, tasks=tasks, **fields).checked()
