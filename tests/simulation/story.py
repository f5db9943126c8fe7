"""A run that is lived through by one process after the other."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from klusterkit.engine.errors import StepHung
from klusterkit.engine.events import Event
from klusterkit.engine.executor import Executor
from klusterkit.engine.journal import Direction, Journal
from klusterkit.engine.plan import Plan
from klusterkit.engine.runner import PointOfNoReturn, Report, Runner
from klusterkit.session.errors import RunCutShort
from klusterkit.state import StateNotWritable
from tests.simulation.crash import Dead, Disk, FencedStore, Life
from tests.simulation.ledger import SETTLED, Ledger
from tests.support.jsonexecutor import JsonExecutor

FORWARD, BACK = Direction.FORWARD, Direction.BACK
TRIES = 60
"""Processes that nobody kills, before a run counts as one that never ends."""


@dataclass(frozen=True)
class Episode:
    """One process: which way it goes, when it is killed, and what goes on afterwards."""

    direction: Direction = FORWARD
    burns_at: int | None = None
    tear: float = 0.5
    full_at: int | None = None
    meanwhile: int = 0
    reboot: bool = False
    stops_at: int | None = None
    """The operator stops it at its n-th event."""
    now: bool = False
    """At once."""


class Story:
    """A plan, lived through. What it acts on is said by those who inherit.

    Args:
        plan: what is walked.
        folder: for the state file.
        guard: held while the world is changed.
        at_once: as the runner takes it.
    """

    grace: float = 30.0
    refusals: tuple[type[Exception], ...] = (PointOfNoReturn,)
    """What a process raises where the run can't go its way any more."""

    def __init__(self, plan: Plan, folder: Path, guard: Any, *, at_once: int = 256) -> None:
        self.plan = plan
        self.guard = guard
        self.disk = Disk(folder)
        self.trace: list[str] = []
        self.wrong: list[str] = []
        self.moments: list[str] = []
        """Of the last process."""
        self.ledger = Ledger(plan, self.complain)
        self.refused: Exception | None = None
        """Why the last process could not go its way."""
        self._at_once = at_once

    def complain(self, what: str) -> None:
        """Something is not as it must be."""
        self.wrong.append(what)
        self.trace.append(f"WRONG: {what}")

    def executor(self, life: Life) -> Executor:
        """Reaches the hosts as this process does."""
        raise NotImplementedError

    def begins(self, journal: Journal, direction: Direction) -> None:
        """A process has read the journal, and not begun to walk."""

    def ends(self, store: FencedStore, life: Life, journal: Journal, report: Report) -> None:
        """A process has walked, as far as this."""

    def decide(self, journal: Journal) -> None:
        """The operator answers what was asked."""

    def learnt(self, records: Sequence[Mapping[str, Any]]) -> None:
        """These records are durable now."""
        self.ledger.learn(records)

    def afterwards(self, episode: Episode) -> None:
        """What happens when the process is gone."""

    def live(self, episode: Episode) -> Report | None:
        """One process, from its start to its end. None if it was killed or refused."""
        life = Life(self.guard, burns_at=episode.burns_at, tear=episode.tear, full_at=episode.full_at, trace=self.trace)
        self.moments = life.moments
        self.refused = None
        self.trace.append(f"--- {episode}")
        before = set(threading.enumerate())
        try:
            with self.disk.opened(life, self.learnt) as store:
                return self._run(store, life, episode)
        except (Dead, StateNotWritable, RunCutShort, *self.refusals) as error:
            self.trace.append(f"ended by {type(error).__name__}: {error}")
            self.refused = error if isinstance(error, self.refusals) else None
            return None
        finally:
            life.end()
            _bury(before)
            self.afterwards(episode)

    def _run(self, store: FencedStore, life: Life, episode: Episode) -> Report | None:
        self.ledger.begin_life(list(store.records))
        if not store.records and episode.direction is BACK:
            return None
        run = f"run{store.ended}"
        journal = Journal(store) if store.records else Journal.open(store, self.plan, run=run, who="somebody")
        self.begins(journal, episode.direction)
        if episode.direction is FORWARD:
            self.decide(journal)
        executor = JsonExecutor(self.executor(life))
        sink = _Sink(life, self.ledger, episode, self.trace)
        runner = sink.runner = Runner(journal, executor, sink, at_once=self._at_once)
        report = runner.forward() if episode.direction is FORWARD else runner.back()
        errors = {task: (error.message, error.seen) for task, error in report.errors.items()}
        self.trace.append(f"ended: {report.outcome} {errors}")
        self.ends(store, life, journal, report)
        return report

    def _check_refusal(self, goal: Direction) -> None:
        """Only what has begun something irreversible, or has come to an end, has one end that is left to it."""
        standing = set(self.ledger.standing.values())
        past = goal is BACK and self.is_past_return
        if not past and standing.difference(SETTLED if goal is BACK else {"untouched"}):
            self.complain(f"it may not go {goal}, and might: {self.refused}")

    @property
    def is_past_return(self) -> bool:
        """Whether something irreversible has begun."""
        return any(self.ledger.standing[task.id] != "untouched" for task in self.plan.points_of_no_return())

    def reach(self, goal: Direction) -> Direction:
        """Processes that nobody kills, until one reaches the goal. Where it can't be reached any more, the other is."""
        for _ in range(TRIES):
            report = self.live(Episode(goal))
            if goal is BACK and not self.disk.records():
                return BACK
            if self.refused is not None:
                self._check_refusal(goal)
                goal = FORWARD if goal is BACK else BACK
            elif report is not None and report.outcome in ("done", "undone"):
                return goal
        raise AssertionError("it never comes to its end")


def _bury(before: set[threading.Thread]) -> None:
    """Wait until nothing is left of a process. Its threads end at their next write or call."""
    while left := [thread for thread in threading.enumerate() if thread not in before]:
        if left[0].ident is None:
            continue  # listed, but not started yet
        left[0].join(30)
        assert not left[0].is_alive(), f"{left[0]} outlives its process"


class _Sink:
    """Watches a run, and stops it where the episode says so."""

    def __init__(self, life: Life, ledger: Ledger, episode: Episode, trace: list[str]) -> None:
        self._life = life
        self._ledger = ledger
        self._episode = episode
        self._trace = trace
        self._events = 0
        self.runner: Runner | None = None

    def __call__(self, event: Event) -> None:
        with self._life.guard, suppress(Dead):
            self._note(event)
        self._events += 1
        if self._events == self._episode.stops_at and self.runner is not None:
            stop = self.runner.stop_now if self._episode.now else self.runner.stop
            threading.Thread(target=stop, daemon=True).start()

    def _note(self, event: Event) -> None:
        if self._life.over:
            return  # whatever a killed process still tells, nobody hears
        self._trace.append(f"event {event.event} {event.task or ''}")
        if event.task is not None and event.event in ("failed", "stuck", "asked"):
            # A step that hangs may still act, and so still takes of its budgets.
            if event.error is None or event.error.type != StepHung.__name__:
                self._ledger.ceases(event.task)
            self._life.give_up(event.task)
