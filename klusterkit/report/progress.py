"""How far a run has come, told from its events alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from klusterkit.engine.events import Event
from klusterkit.engine.journal import Direction
from klusterkit.engine.plan import Plan
from klusterkit.report.estimate import expected
from klusterkit.report.words import to_do

_TRUST = 0.2
"""The plan counts for as much as this share of it would, had it gone as planned: a slow beginning alone says little of
the pace to come, and an estimate shouldn't leap."""
_SOME = 5
"""Tasks, likewise on the way back."""


@dataclass
class Running:
    """A task that runs now."""

    task: str
    title: str
    since: float
    note: str = ""
    """What it waits for, between two attempts."""


@dataclass
class Progress:
    """The state of a walk. Not safe to use from several threads.

    Args:
        plan: what is walked.
        settled: the tasks that need no walking, as an earlier walk has settled them.
        direction: forward, or back.
        now: the clock, in seconds since the epoch.
    """

    plan: Plan
    settled: set[str] = field(default_factory=set[str])
    direction: Direction = Direction.FORWARD
    now: Callable[[], float] = time.time
    running: dict[str, Running] = field(default_factory=dict[str, Running])
    failed: list[Event] = field(default_factory=list[Event])
    last: Event | None = None
    """What ended last, and well."""
    took: float = 0.0
    """Seconds that the task of ``last`` has run for."""
    stopping: bool = False
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.now()
        # On the way forward, what an earlier walk has done counts; on the way back there is nothing to undo in it.
        back = self.back
        self._already = len(self.settled) if back else 0
        self._cost = sum(task.cost for task in self.plan.tasks if not (back and task.id in self.settled))
        self._cost_done = 0.0 if back else sum(self.plan.by_id[task].cost for task in self.settled)
        self._expected = 0.0 if back else expected(self.plan, self.settled)

    @property
    def back(self) -> bool:
        """Whether what was done is undone."""
        return self.direction is Direction.BACK

    def learn(self, event: Event) -> None:
        """Take in what has happened."""
        if event.event == "stopping":
            self.stopping = True
        task = event.task
        if task is None:
            return
        match event.event:
            case "started":
                title = to_do(event.title or task, undoing=self.back)
                self.running.setdefault(task, Running(task, title, event.at))
            case "retrying":
                self._retry(task, event)
            case "done" | "unchanged" | "undone":
                self.took = event.at - self._leave(task, event.at)
                self.last = event
                if task not in self.settled:
                    self.settled.add(task)
                    self._cost_done += self.plan.by_id[task].cost
            case _:
                self.took = event.at - self._leave(task, event.at)
                self.failed.append(event)

    def _leave(self, task: str, at: float) -> float:
        there = self.running.pop(task, None)
        return there.since if there else at

    def _retry(self, task: str, event: Event) -> None:
        there = self.running.get(task)
        if there is not None:
            why = event.error.message if event.error else "it failed"
            there.note = f"attempt {event.attempt + 1} in {event.wait:.0f} s: {why}"

    @property
    def total(self) -> int:
        """How many tasks the walk has."""
        return len(self.plan.tasks) - self._already

    @property
    def done(self) -> int:
        """How many of them need nothing more."""
        return len(self.settled) - self._already

    @property
    def counted(self) -> str:
        """Both in words: ``3 of 97 done``, and on the way back ``3 of 97 undone``."""
        return f"{self.done} of {self.total} {'undone' if self.back else 'done'}"

    @property
    def share(self) -> float:
        """How much of the work is done, from 0 to 1, by cost."""
        if self.done == self.total:
            return 1.0
        done = self._cost_done + sum(map(self._spent, self.running.values()))
        return min(done / self._cost, 0.99) if self._cost else 0.0

    def _spent(self, there: Running) -> float:
        """Of what a running task is expected to cost, the part that it has run for."""
        return min(max(self.now() - there.since, 0.0), 0.95 * self.plan.by_id[there.task].cost)

    @property
    def eta(self) -> float | None:
        """Expected seconds to the end: what is left by the plan's costs, at the pace so far once there is one.

        The pace is how long it took to get as far as we are, against how long that should have taken; the less that is,
        the more the plan is believed. It isn't told by the share of the work: much that is done side by side brings the
        end no nearer than its longest path.

        On the way back, which has no expected costs, it is told by the tasks that are left; None until some are undone.
        """
        if self.back:
            some = self.done >= _SOME
            return (self.now() - self.began) / self.done * (self.total - self.done) if some else None
        left = expected(self.plan, self.settled, {task: self._spent(there) for task, there in self.running.items()})
        behind = self._expected - left
        if not behind:
            return left
        planned = _TRUST * self._expected
        return left * (self.now() - self.began + planned) / (behind + planned)
