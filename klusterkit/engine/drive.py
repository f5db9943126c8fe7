"""The life of one task, as a story in each direction. The runner decides when, this module what comes after what."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from klusterkit.engine.errors import Cancelled, DecisionNeeded, ErrorInfo
from klusterkit.engine.events import Event, Sink
from klusterkit.engine.executor import Call, Executor, Outcome, Verb
from klusterkit.engine.journal import Direction, Journal, Record, Status, TaskState
from klusterkit.engine.plan import Task
from klusterkit.engine.step import Observation, Repeat, Undo

FORWARD, BACK = Direction.FORWARD, Direction.BACK


class Failure(Exception):
    """What an executor reported, raised here so that the retry policy can see it."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error


class Driver:
    """Drives tasks through their verbs, and journals what it does before and after.

    Args:
        journal: of the run.
        executor: carries out the verbs.
        tell: told what happens.
        stopping: set when no new attempt may begin.
    """

    def __init__(self, journal: Journal, executor: Executor, tell: Sink, stopping: threading.Event) -> None:
        self._journal = journal
        self._executor = executor
        self._tell = tell
        self._stopping = stopping

    # Forward -----------------------------------------------------------------------------------------------------

    def forward(self, batch: Sequence[Task]) -> dict[str, bool]:
        """Bring tasks that may start to their end. Returns for each whether what needs it may start."""
        for task in batch:
            self._say("started", task)
        fresh = [task for task in batch if self._journal[task.id].status in (Status.PENDING, Status.UNDONE)]
        results = self._together(fresh) if len(fresh) > 1 else {}
        return {task.id: results[task.id] if task.id in results else self._alone(task) for task in batch}

    def _together(self, batch: list[Task]) -> dict[str, bool]:
        """The short way for many small steps: each verb and each write of the journal once for all of them.

        Whatever doesn't go smoothly is left out of the result, and then driven alone.
        """
        seen = self._perform(Verb.OBSERVE, batch)
        there = [task for task, outcome in zip(batch, seen, strict=True) if _satisfied(outcome)]
        todo = [
            (task, outcome.observation) for task, outcome in zip(batch, seen, strict=True) if not _satisfied(outcome)
        ]
        begun = [(task, found.before) for task, found in todo if found is not None]
        attempts = {task.id: self._journal[task.id].attempt + 1 for task, _ in begun}
        self._journal.write(
            *(self._end(task, changed=False) for task in there),
            *(self._begin(task, attempts[task.id], before) for task, before in begun),
        )
        tasks = [task for task, _ in begun]
        begun_before = {task.id: before for task, before in begun}
        outcomes = self._perform(Verb.APPLY, tasks, begun_before) if tasks else []
        ended = zip(tasks, outcomes, strict=True)
        applied = [task for task, outcome in zip(tasks, outcomes, strict=True) if outcome.error is None]
        self._journal.write(
            *(
                self._end(task) if outcome.error is None else self._fail(task, outcome.error)
                for task, outcome in ended
                if outcome.error is None or not outcome.error.lost
            )
        )
        for task in there:
            self._say("unchanged", task)
        for task in applied:
            self._say("done", task)
        return dict.fromkeys((task.id for task in [*there, *applied]), True)

    def _alone(self, task: Task) -> bool:
        try:
            for attempt in self._retrying(task):
                with attempt, self._recording(task):
                    self._attempt(task)
        except Failure as failure:
            self._say_failed(task, failure.error)
            return False
        return True

    @contextmanager
    def _recording(self, task: Task) -> Generator[None]:
        """Journal how an attempt failed, where that is known: an answer that was lost leaves the task unknown."""
        try:
            yield
        except Failure as failure:
            error = failure.error
            if error.type == DecisionNeeded.__name__:
                self._journal.write(Record(record="ask", at=time.time(), task=task.id, error=error))
            elif not (error.lost and self._journal[task.id].unknown):
                self._journal.write(self._fail(task, error))
            raise

    def _attempt(self, task: Task) -> None:
        if self._journal[task.id].unknown:
            self._settle(task)
            if self._journal[task.id].status is Status.DONE:
                return
        seen = self._observe(task)
        state = self._journal[task.id]
        if seen.satisfied:
            changed = state.to_undo
            self._journal.write(self._end(task, changed=changed))
            self._say("done" if changed else "unchanged", task)
            return
        self._apply(task, state.attempt + 1, seen.before)

    def _apply(self, task: Task, attempt: int, before: Mapping[str, Any]) -> None:
        self._journal.write(self._begin(task, attempt, before))
        kept = self._journal[task.id].before or {}
        self._one(Verb.APPLY, task, kept)
        self._journal.write(self._end(task))
        self._say("done", task)

    def _say_failed(self, task: Task, error: ErrorInfo) -> None:
        if error.type == DecisionNeeded.__name__:
            self._say("asked", task, error=error)
        elif error.type != Cancelled.__name__:
            self._say("failed" if self._journal.direction is FORWARD else "stuck", task, error=error)

    # After a crash -----------------------------------------------------------------------------------------------

    def _settle(self, task: Task) -> None:
        """Decide what became of a task that began and hasn't ended: the host's record, a look, the operator.

        Afterwards the task is done, or may be attempted again, or ``DecisionNeeded`` was raised.
        """
        state = self._journal[task.id]
        outcome = self._one(Verb.PROBE, task, state.before or {}, attempt=state.attempt, stop_undos=state.undo_attempt)
        seen, job = outcome.observation, outcome.job
        if seen is None or job is None:
            raise ValueError(f"{task.id}: the executor probed and told nothing")
        if job.status in ("running", "ended") and state.status is Status.UNKNOWN:
            # The host has a record: the same attempt attaches to its program, or takes its recorded result.
            self._one(Verb.APPLY, task, state.before or {}, attempt=state.attempt)
            self._journal.write(self._end(task))
            return self._say("done", task)
        if seen.satisfied:
            self._journal.write(self._end(task, source="look", changed=state.to_undo))
            return self._say("done", task)
        if self._may_retry(task, state, seen, started=job.status != "none"):
            return None
        raise Failure(_question(task, state, seen))

    @staticmethod
    def _may_retry(task: Task, state: TaskState, seen: Observation, *, started: bool) -> bool:
        prior = json.loads(json.dumps(seen.before)) == (state.before or {})
        if task.step.repeat is Repeat.ONCE:
            return prior and (not started or state.status is Status.UNDO_UNKNOWN)
        return prior or seen.partial or started or task.step.undoing is Undo.NOTHING

    # Back --------------------------------------------------------------------------------------------------------

    def back(self, batch: Sequence[Task]) -> dict[str, bool]:
        """Take tasks back. Returns for each whether what it needed may be taken back too."""
        return {task.id: self._take_back(task) for task in batch}

    def _take_back(self, task: Task) -> bool:
        state = self._journal[task.id]
        if not state.to_undo and not state.unknown:
            return True
        self._say("started", task)
        try:
            for attempt in self._retrying(task):
                with attempt, self._recording(task):
                    self._undo(task)
        except Failure as failure:
            self._say_failed(task, failure.error)
            return False
        self._say("undone", task)
        return True

    def _undo(self, task: Task) -> None:
        state = self._journal[task.id]
        if task.step.undoing is Undo.EXACT:
            number = state.undo_attempt + 1
            begin = Record(record="begin", at=time.time(), task=task.id, direction=BACK, attempt=number)
            self._journal.write(begin)
            leftovers = {"stop_applies": state.attempt, "stop_undos": state.undo_attempt}
            self._one(Verb.UNDO, task, state.before or {}, attempt=number, **leftovers)
        self._journal.write(self._end(task))

    # What the stories are made of --------------------------------------------------------------------------------

    def _retrying(self, task: Task) -> Retrying:
        policy = task.retry
        return Retrying(
            stop=stop_after_attempt(policy.attempts),
            wait=wait_exponential(multiplier=policy.wait, max=policy.longest),
            retry=retry_if_exception(lambda error: isinstance(error, Failure) and error.error.temporary),
            before_sleep=lambda state: self._say_retrying(task, state),
            sleep=self._pause,
            reraise=True,
        )

    def _say_retrying(self, task: Task, state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        error = failure.error if isinstance(failure, Failure) else None
        wait = state.next_action.sleep if state.next_action else 0.0
        self._tell(self._event("retrying", task, attempt=state.attempt_number, wait=wait, error=error))

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Failure(Cancelled("stopped before the next attempt").info())

    def _observe(self, task: Task) -> Observation:
        outcome = self._one(Verb.OBSERVE, task, {})
        if outcome.observation is None:
            raise ValueError(f"{task.id}: the executor observed and told nothing")
        return outcome.observation

    def _one(
        self, verb: Verb, task: Task, before: Mapping[str, Any], *, attempt: int | None = None, **leftovers: int
    ) -> Outcome:
        call = self._call(verb, task, before, attempt).model_copy(update=leftovers)
        outcome = self._executor.perform([call])[0]
        if outcome.error is not None:
            raise Failure(outcome.error)
        return outcome

    def _perform(
        self, verb: Verb, batch: Sequence[Task], before: Mapping[str, Mapping[str, Any]] | None = None
    ) -> list[Outcome]:
        given = before or {}
        return self._executor.perform([self._call(verb, task, given.get(task.id, {}), None) for task in batch])

    def _call(self, verb: Verb, task: Task, before: Mapping[str, Any], attempt: int | None) -> Call:
        state = self._journal[task.id]
        return Call(
            verb=verb,
            run=f"{self._journal.run}.{state.round}",
            task=task.id,
            host=task.host,
            step=task.step,
            timeout=task.timeout,
            attempt=attempt if attempt is not None else max(state.attempt, 1),
            before=dict(before),
        )

    def _begin(self, task: Task, attempt: int, before: Mapping[str, Any]) -> Record:
        return Record(record="begin", at=time.time(), task=task.id, attempt=attempt, before=dict(before))

    def _end(self, task: Task, *, changed: bool = True, source: str = "run") -> Record:
        fields: dict[str, Any] = {"changed": changed, "source": source, "direction": self._journal.direction}
        return Record(record="end", at=time.time(), task=task.id, **fields)

    def _fail(self, task: Task, error: ErrorInfo) -> Record:
        return Record(record="fail", at=time.time(), task=task.id, direction=self._journal.direction, error=error)

    def _say(self, event: str, task: Task, *, error: ErrorInfo | None = None) -> None:
        self._tell(self._event(event, task, error=error, attempt=self._journal[task.id].attempt))

    def _event(self, event: str, task: Task, **fields: Any) -> Event:
        fields |= {"run": self._journal.run, "direction": self._journal.direction}
        return Event(event=event, task=task.id, host=task.host, title=task.step.title, **fields)  # pyright: ignore[reportArgumentType]


def _satisfied(outcome: Outcome) -> bool:
    return outcome.observation is not None and outcome.observation.satisfied


def _question(task: Task, state: TaskState, seen: Observation) -> ErrorInfo:
    return DecisionNeeded(
        f"{task.id}: {task.step.title}: began, and nobody can tell how it ended",
        host=task.host,
        seen=f"before it was {json.dumps(state.before, sort_keys=True)}; now: {seen.reason}",
        hint=f"look at the host, then `cctl resume --adopt {task.id}` (it is as it should be), `--retry {task.id}` "
        f"(do it again), `--skip {task.id}` (go on without it), or `cctl rollback`",
    ).info()
