"""The life of one task, as a story in each direction. The runner decides when, this module what comes after what."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from klusterkit.engine.errors import Cancelled, DecisionNeeded, ErrorInfo, PermanentError
from klusterkit.engine.events import Event, Sink
from klusterkit.engine.executor import Call, Executor, Outcome, Verb
from klusterkit.engine.host import JobState
from klusterkit.engine.journal import Direction, Journal, NotBegun, Record, Status, TaskState
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

    def together(self, batch: Sequence[Task]) -> dict[str, bool]:
        """The short way for many small steps: each verb and each write of the journal once for all of them.

        Returns for each task whether what needs it may start. What didn't go smoothly, or isn't at its beginning, is
        left out: it is to be driven alone.
        """
        fresh = [task for task in batch if self._journal[task.id].status in NotBegun]
        if len(fresh) < 2:
            return {}
        since = time.time()
        looked = list(zip(fresh, self._perform(Verb.OBSERVE, fresh), strict=True))
        there = [task for task, outcome in looked if _satisfied(outcome)]
        todo = [(task, outcome.observation) for task, outcome in looked if not _satisfied(outcome)]
        before = {task.id: seen.before for task, seen in todo if seen is not None}
        self._journal.write(
            *(self._end(task, changed=False, since=since) for task in there),
            *(self._begin(task, before[task.id], since) for task in fresh if task.id in before),
        )
        for task in there:
            self._say("unchanged", task)
        unseen = [(task, outcome) for task, outcome in looked if outcome.error is not None]
        applied = self._apply_together([task for task in fresh if task.id in before])
        results = {task.id: self._ended_together(task, outcome) for task, outcome in [*unseen, *applied]}
        return dict.fromkeys((task.id for task in there), True) | {
            task_id: result for task_id, result in results.items() if result is not None
        }

    def _apply_together(self, tasks: list[Task]) -> list[tuple[Task, Outcome]]:
        if not tasks:
            return []
        outcomes = self._perform(Verb.APPLY, tasks)
        applied = list(zip(tasks, outcomes, strict=True))
        self._journal.write(
            *(
                self._end(task) if outcome.error is None else self._fail(task, outcome.error)
                for task, outcome in applied
                if outcome.error is None or not outcome.error.lost
            )
        )
        return applied

    def _ended_together(self, task: Task, outcome: Outcome) -> bool | None:
        """How it ended for one of a batch; None where trying it alone may help."""
        error = outcome.error
        if error is None:
            self._say("done", task)
            return True
        if error.temporary or not error.lost:
            return None
        # Its thread may still act: what it leaves is looked at when the run is resumed, not beside it.
        if not self._journal[task.id].unknown:
            self._journal.write(self._fail(task, error))
        self._say_failed(task, error)
        return False

    def forward(self, task: Task) -> bool:
        """Bring a task that may start to its end. Returns whether what needs it may start."""
        since = time.time()
        try:
            for attempt in self._retrying(task):
                with attempt, self._recording(task):
                    self._attempt(task, since)
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
            elif error.type == Cancelled.__name__ and task.step.undoing is Undo.NOTHING:
                self._journal.write(Record(record="leave", at=time.time(), task=task.id))
            elif not (error.lost and self._journal[task.id].unknown):
                self._journal.write(self._fail(task, error))
            raise

    def _attempt(self, task: Task, since: float) -> None:
        if self._journal[task.id].unknown:
            self._settle(task)
            if self._journal[task.id].status is Status.DONE:
                return
        seen = self._observe(task)
        state = self._journal[task.id]
        if seen.satisfied:
            changed = state.to_undo
            self._journal.write(self._end(task, changed=changed, since=since))
            self._say("done" if changed else "unchanged", task)
            return
        if task.step.repeat is Repeat.ONCE and state.to_undo and not state.retry and not _prior(state, seen):
            # It is known to have failed, and left something: doing it again may do it twice.
            raise Failure(_question(task, state, seen))
        self._apply(task, seen.before, since)

    def _apply(self, task: Task, before: Mapping[str, Any], since: float) -> None:
        state = self._journal[task.id]
        self._journal.write(self._begin(task, before, since))
        # No two programs of one task at once: the operator may have said to retry while one still runs.
        self._one(Verb.APPLY, task, stop_applies=state.attempt, stop_undos=state.undo_attempt)
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
        seen, job = self._probe(task, state)
        if job.status in ("running", "ended") and state.status is Status.UNKNOWN:
            # The host has a record: the same attempt attaches to its program, or takes its recorded result.
            return self._carry_on(task)
        if seen.satisfied:
            self._journal.write(self._end(task, source="look", changed=state.to_undo))
            return self._say("done", task)
        if not self._may_retry(task, state, seen, started=job.status != "none"):
            raise Failure(_question(task, state, seen))
        if job.status == "none" and state.status is Status.UNKNOWN:
            # Its begin is durable and nothing was started under it: the same attempt goes on, so that even a run that
            # is killed at each record comes nearer to its end with each.
            return self._carry_on(task)
        return None

    def _carry_on(self, task: Task) -> None:
        self._one(Verb.APPLY, task)
        self._journal.write(self._end(task))
        self._say("done", task)

    def _probe(self, task: Task, state: TaskState) -> tuple[Observation, JobState]:
        try:
            outcome = self._one(Verb.PROBE, task, stop_undos=state.undo_attempt)
        except Failure as failure:
            # Looking failed, which tells nothing of what the step did: that stays as unknown as it was.
            raise Failure(failure.error.model_copy(update={"lost": True})) from failure
        if outcome.observation is None or outcome.job is None:
            raise ValueError(f"{task.id}: the executor probed and told nothing")
        return outcome.observation, outcome.job

    @staticmethod
    def _may_retry(task: Task, state: TaskState, seen: Observation, *, started: bool) -> bool:
        prior = _prior(state, seen)
        if task.step.repeat is Repeat.ONCE:
            return prior and (not started or state.status is Status.UNDO_UNKNOWN)
        return prior or seen.partial or started or task.step.undoing is Undo.NOTHING

    # Back --------------------------------------------------------------------------------------------------------

    def back(self, task: Task) -> bool:
        """Take a task back. Returns whether what it needed may be taken back too."""
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
        if state.to_undo and task.step.undoing is Undo.EXACT:
            number = state.undo_attempt + 1
            begin = Record(record="begin", at=time.time(), task=task.id, direction=BACK, attempt=number)
            self._journal.write(begin)
            self._one(Verb.UNDO, task, attempt=number, stop_applies=state.attempt, stop_undos=number - 1)
        elif state.to_undo:
            self._refuse_uncontained(task)
            if state.status is not Status.DONE:
                self._one(Verb.STOP, task, stop_applies=state.attempt)
        # What changed nothing is walked back over too: going forward again it has to be looked at anew.
        self._journal.write(self._end(task))

    def _refuse_uncontained(self, task: Task) -> None:
        if task.undone_by is None:
            return
        container = task
        while container.undone_by is not None:
            container = self._journal.plan.by_id[container.undone_by]
        if not self._journal[container.id].to_undo:
            error = PermanentError(
                f"{task.id}: what it changed can't be taken back: {container.id}, which holds it, was there before",
                host=task.host,
                hint="finish the run with `cctl resume`",
            )
            raise Failure(error.info())

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
        self._tell(self.event("retrying", task, attempt=state.attempt_number, wait=wait, error=error))

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Failure(Cancelled("stopped before the next attempt").info())

    def _observe(self, task: Task) -> Observation:
        outcome = self._one(Verb.OBSERVE, task)
        if outcome.observation is None:
            raise ValueError(f"{task.id}: the executor observed and told nothing")
        return outcome.observation

    def _one(self, verb: Verb, task: Task, **more: int) -> Outcome:
        call = self._call(verb, task).model_copy(update=more)
        outcome = self._executor.perform([call])[0]
        if outcome.error is not None:
            raise Failure(outcome.error)
        return outcome

    def _perform(self, verb: Verb, batch: Sequence[Task]) -> list[Outcome]:
        return self._executor.perform([self._call(verb, task) for task in batch])

    def _call(self, verb: Verb, task: Task) -> Call:
        state = self._journal[task.id]
        return Call(
            verb=verb,
            run=f"{self._journal.run}.{state.round}",
            task=task.id,
            host=task.host,
            step=task.step,
            timeout=task.timeout,
            attempt=max(state.attempt, 1),
            before=state.before or {},
        )

    def _begin(self, task: Task, before: Mapping[str, Any], since: float) -> Record:
        attempt = self._journal[task.id].attempt + 1
        return Record(record="begin", at=time.time(), task=task.id, attempt=attempt, before=dict(before), since=since)

    def _end(self, task: Task, *, changed: bool = True, source: str = "run", since: float = 0.0) -> Record:
        fields: dict[str, Any] = {"changed": changed, "source": source, "direction": self._journal.direction}
        fields |= {"since": since}
        return Record(record="end", at=time.time(), task=task.id, **fields)

    def _fail(self, task: Task, error: ErrorInfo) -> Record:
        return Record(record="fail", at=time.time(), task=task.id, direction=self._journal.direction, error=error)

    def _say(self, event: str, task: Task, *, error: ErrorInfo | None = None) -> None:
        self._tell(self.event(event, task, error=error))

    def event(self, event: str, task: Task, **fields: Any) -> Event:
        """What the run tells of a task."""
        fields = {"attempt": self._journal[task.id].attempt} | fields
        fields |= {"run": self._journal.run, "direction": self._journal.direction}
        return Event(event=event, task=task.id, host=task.host, title=task.step.title, **fields)  # pyright: ignore[reportArgumentType]


def _satisfied(outcome: Outcome) -> bool:
    return outcome.observation is not None and outcome.observation.satisfied


def _prior(state: TaskState, seen: Observation) -> bool:
    """Whether the host is as it was before the task. What was journaled came through JSON, which has no tuples."""
    return json.loads(json.dumps(seen.before)) == (state.before or {})


def _question(task: Task, state: TaskState, seen: Observation) -> ErrorInfo:
    ended = "began, and nobody can tell how it ended" if state.unknown else "failed, and left something behind"
    return DecisionNeeded(
        f"{task.id}: {task.step.title}: {ended}",
        host=task.host,
        seen=f"before it was {json.dumps(state.before, sort_keys=True)}; now: {seen.reason}",
        hint=f"look at the host, then `cctl resume --adopt {task.id}` (it is as it should be), `--retry {task.id}` "
        f"(do it again), `--skip {task.id}` (go on without it), or `cctl rollback`",
    ).info()
