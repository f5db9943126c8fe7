"""Which tasks may start now: those whose needs are met and whose budgets have room, longest path first.

Pure bookkeeping without threads, clock or hosts: the runner asks it, and tests walk it through every interleaving.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from klusterkit.engine.journal import Direction
from klusterkit.engine.plan import Plan, Task

BATCH = 64
"""At most this many short steps of one kind and host are handed over at once."""


class Schedule:
    """The walk over a plan's graph in one direction.

    Args:
        plan: what is walked.
        direction: forward follows the needs; back starts from what nothing needs.
        settled: tasks that need no walking, as they are where the walk wants them.
        at_once: how many tasks may run at the same time in all.
    """

    def __init__(self, plan: Plan, direction: Direction, settled: Iterable[str] = (), at_once: int = 256) -> None:
        self._plan = plan
        self._room = dict(plan.budgets)
        self._free = at_once
        self._running: set[str] = set()
        self._ready: list[tuple[float, int, str]] = []
        self._index = {task.id: number for number, task in enumerate(plan.tasks)}
        graph = plan.graph if direction is Direction.FORWARD else plan.graph.reverse(copy=False)
        self._next = graph.successors
        self._waiting_for: dict[str, int] = dict(graph.in_degree())
        self._sign = -1.0 if direction is Direction.FORWARD else 1.0
        self._settled = frozenset(settled)
        self._left = len(plan.tasks) - len(self._settled)
        for task_id, waits in list(self._waiting_for.items()):
            if waits == 0 and task_id not in self._settled:
                self._push(task_id)
        for task_id in self._settled:
            self._release(task_id)

    def _push(self, task_id: str) -> None:
        # Forward, the longest way still to go comes first. Back, the same order is walked from its other end.
        heapq.heappush(self._ready, (self._sign * self._plan.remaining[task_id], self._index[task_id], task_id))

    def _release(self, task_id: str) -> None:
        for after in self._next(task_id):
            self._waiting_for[after] -= 1
            if self._waiting_for[after] == 0 and after not in self._settled:
                self._push(after)

    @property
    def running(self) -> frozenset[str]:
        """What was started and hasn't finished."""
        return frozenset(self._running)

    @property
    def left(self) -> int:
        """How many tasks have not succeeded."""
        return self._left

    def start(self) -> list[list[Task]]:
        """Take all that may start now. Tasks in one list are short steps of one kind on one host."""
        batches: list[list[Task]] = []
        open_batches: dict[tuple[str, str], list[Task]] = {}
        put_aside: list[tuple[float, int, str]] = []
        while self._ready and self._free > 0:
            entry = heapq.heappop(self._ready)
            task = self._plan.by_id[entry[2]]
            if any(self._room[budget] < 1 for budget in task.budgets):
                put_aside.append(entry)
                continue
            self._take(task)
            place = (task.host, task.step.kind)
            batch = open_batches.get(place)
            if task.step.batch and batch is not None and len(batch) < BATCH:
                batch.append(task)
                continue
            batches.append([task])
            if task.step.batch:
                open_batches[place] = batches[-1]
        for entry in put_aside:
            heapq.heappush(self._ready, entry)
        return batches

    def _take(self, task: Task) -> None:
        self._running.add(task.id)
        self._free -= 1
        for budget in task.budgets:
            self._room[budget] -= 1

    def finish(self, task_id: str, *, succeeded: bool) -> None:
        """A task that was started has ended. What comes after it may start only if it succeeded."""
        task = self._plan.by_id[task_id]
        self._running.remove(task_id)
        self._free += 1
        for budget in task.budgets:
            self._room[budget] += 1
        if succeeded:
            self._left -= 1
            self._release(task_id)
