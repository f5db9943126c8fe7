"""The runner: walks a plan's graph forward or back, without barriers, and journals every step of the way."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Literal

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.drive import Driver
from klusterkit.engine.errors import DecisionNeeded, ErrorInfo, PermanentError, StepHung
from klusterkit.engine.events import Event, Sink
from klusterkit.engine.executor import Executor
from klusterkit.engine.journal import Direction, Journal, NotBegun, Record, Settled, TaskState, passed
from klusterkit.engine.plan import Task
from klusterkit.engine.schedule import Schedule

Result = Literal["done", "undone", "stopped", "failed", "asked"]

Wish = Literal["stop", "stop now"]


class Report(BaseModel):
    """How a walk ended. ``failed``, ``asked`` and ``stopped`` runs can be resumed or rolled back."""

    model_config = ConfigDict(frozen=True)

    outcome: Result
    states: dict[str, TaskState]
    errors: dict[str, ErrorInfo] = {}
    """The tasks that failed or wait for an answer. What only waited for them isn't here."""
    without: tuple[str, ...] = ()
    """Hosts that are gone for good."""
    only_back: bool = False
    """Whether it can't go forward any more."""


class PointOfNoReturn(PermanentError):
    """A run that has begun something irreversible can't go back."""

    exit_code = 6


def refuse_past_return(journal: Journal) -> None:
    """Raise ``PointOfNoReturn`` where a run has begun something irreversible."""
    task = passed(journal.plan, journal.states)
    if task is not None:
        raise PointOfNoReturn(
            f"{task.id} ({task.step.title}) can't be undone, and has begun",
            host=task.host,
            hint="the run can only be finished: `cctl resume`",
        )


class Runner:
    """Walks one run.

    Args:
        journal: the run, as far as it has come.
        executor: carries out the steps' verbs.
        tell: told what happens.
        at_once: how many tasks may run at the same time in all.
    """

    def __init__(
        self, journal: Journal, executor: Executor, tell: Sink = lambda _: None, *, at_once: int = 256
    ) -> None:
        self._journal = journal
        self._executor = executor
        self._sink = tell
        self._at_once = at_once
        self._stopping = threading.Event()
        self._stop_asked = False
        self._abandoned = False
        # What the walk waits for: None when a batch has come to its end. A SimpleQueue, because signal handlers put
        # their wish there, and may interrupt whoever holds a lock.
        self._news: SimpleQueue[Wish | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._fatal: BaseException | None = None
        self._failures: dict[str, ErrorInfo] = {}
        self._driver = Driver(journal, executor, self._tell, self._stopping)

    def forward(self) -> Report:
        """Go on towards the plan's end from wherever the journal says that the run is."""
        self._journal.turn(Direction.FORWARD)
        settled = [task for task, state in self._journal.states.items() if state.status in Settled]
        return self._walk(Direction.FORWARD, settled)

    def back(self) -> Report:
        """Undo what the run has done, the last first. Raises ``PointOfNoReturn`` where that is past."""
        refuse_past_return(self._journal)
        self._journal.turn(Direction.BACK)
        settled = [task for task, state in self._journal.states.items() if state.status in NotBegun]
        return self._walk(Direction.BACK, settled)

    def stop(self) -> None:
        """Let what acts come to its end, what only waits end now, and start nothing. Safe in signal handlers."""
        self._stop_asked = True
        self._news.put("stop")

    def stop_now(self) -> None:
        """Wait for nothing any more: what runs stays unknown, and is settled at the resume. Safe in signal handlers."""
        self._stop_asked = True
        self._news.put("stop now")

    @property
    def abandoned(self) -> bool:
        """Whether steps were left behind that may still be at work."""
        return self._abandoned

    # The walk ----------------------------------------------------------------------------------------------------

    def _walk(self, direction: Direction, settled: Sequence[str]) -> Report:
        schedule = Schedule(self._journal.plan, direction, settled, self._at_once)
        self._tell(Event(event="run", run=self._journal.run, direction=direction))
        self._hear()
        try:
            self._start_all(schedule)
        finally:
            if self._abandoned or schedule.running:
                self._journal.seal()
        report = self._report(direction)
        self._tell(Event(event="finished", run=self._journal.run, direction=direction, outcome=report.outcome))
        if self._fatal is not None:
            raise self._fatal
        return report

    def _start_all(self, schedule: Schedule) -> None:
        while not self._abandoned:
            with self._lock:
                if not self._stopping.is_set():
                    for batch in schedule.start():
                        self._hand_over(schedule, batch)
                if not schedule.running:
                    return
            self._hear(self._news.get())

    def _hear(self, wish: Wish | None = None) -> None:
        """Take in what has come meanwhile; the ends of batches are in the schedule already."""
        while True:
            if wish:
                self._heed(wish)
            try:
                wish = self._news.get_nowait()
            except Empty:
                return

    def _heed(self, wish: Wish) -> None:
        at_once = wish == "stop now"
        if not (self._abandoned if at_once else self._stopping.is_set()):
            try:
                self._journal.write(Record(record="stop", at=time.time(), at_once=at_once))
            except Exception as error:  # noqa: BLE001 - it stops all the same, and tells what else is wrong
                self._fatal = self._fatal or error
        if not self._stopping.is_set():
            self._begin_to_stop()
        self._abandoned = self._abandoned or at_once

    def _begin_to_stop(self) -> None:
        self._stopping.set()
        self._executor.cancel()
        self._tell(Event(event="stopping", run=self._journal.run, direction=self._journal.direction))

    def _hand_over(self, schedule: Schedule, batch: Sequence[Task], *, again: bool = False) -> None:
        threading.Thread(target=self._work, args=(schedule, batch, again), daemon=True).start()

    def _work(self, schedule: Schedule, batch: Sequence[Task], again: bool) -> None:
        results: dict[str, bool] = dict.fromkeys((task.id for task in batch), False)
        try:
            for task in () if again else batch:
                self._tell(self._driver.event("started", task))
            results = self._drive(batch)
        except BaseException as error:  # noqa: BLE001 - the journal can't be written, say: the run has to stop and tell
            if not self._abandoned:
                self._fatal = self._fatal or error
            self._stopping.set()
            self._executor.cancel()
        with self._lock:
            for task in batch:
                if task.id in results or self._stop_asked or self._stopping.is_set():
                    schedule.finish(task.id, succeeded=results.get(task.id, False), hung=self._hung(task))
                else:
                    # Each in a thread of its own: nobody waits for another one's retries.
                    self._hand_over(schedule, [task], again=True)
        self._news.put(None)

    def _hung(self, task: Task) -> bool:
        return task.id in self._failures and self._failures[task.id].type == StepHung.__name__

    def _drive(self, batch: Sequence[Task]) -> dict[str, bool]:
        if len(batch) > 1:
            return self._driver.together(batch)
        task = batch[0]
        forward = self._journal.direction is Direction.FORWARD
        return {task.id: self._driver.forward(task) if forward else self._driver.back(task)}

    def _tell(self, event: Event) -> None:
        if event.task is not None and event.error is not None and event.event in ("failed", "stuck", "asked"):
            self._failures[event.task] = event.error
        with contextlib.suppress(Exception):  # a view that fails must never stop a run
            self._sink(event)

    def _report(self, direction: Direction) -> Report:
        states = self._journal.states
        outcome: Result
        if self._journal.finished():
            outcome = "done" if direction is Direction.FORWARD else "undone"
        elif any(state.asked and self._unanswered(task, direction) for task, state in states.items()):
            outcome = "asked"
        elif self._failures or not self._stop_asked:
            outcome = "failed"
        else:
            outcome = "stopped"
        return Report(
            outcome=outcome,
            states=states,
            errors=dict(self._failures),
            without=tuple(self._journal.gone),
            only_back=self._journal.only_back,
        )

    def _unanswered(self, task: str, direction: Direction) -> bool:
        """Whether a question of a task counts: of this walk, or of one before, if this one goes the same way and got
        nothing else to say of the task. The way back doesn't wait for what was asked on the way there.
        """
        failure = self._failures.get(task)
        return direction is Direction.FORWARD if failure is None else failure.type == DecisionNeeded.__name__
