"""Which tasks may start now: those whose needs are met, what comes before them over, and whose budgets have room.

Of these, the one with the longest path behind it comes first.

Pure bookkeeping without threads, clock or hosts: the runner asks it, and tests walk it through every interleaving.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from klusterkit.engine.journal import Direction
from klusterkit.engine.plan import Plan, Task

BATCH = 64
"""At most this many short steps of one kind and host are handed over at once."""

Entry = tuple[float, int, str]
"""A task that may start: its urgency (the smallest first), its place in the plan, its id."""


class Schedule:
    """The walk over a plan's graph in one direction.

    Args:
        plan: what is walked.
        direction: forward follows the needs; back starts from what nothing needs.
        settled: tasks that need no walking, as they are where the walk wants them. What comes after one still waits for
            what comes before it.
        at_once: how many tasks may run at the same time in all.
    """

    def __init__(self, plan: Plan, direction: Direction, settled: Iterable[str] = (), at_once: int = 256) -> None:
        self._plan = plan
        self._free = at_once
        self._running: set[str] = set()
        self._ready = _Ready(plan.budgets)
        self._index = {task.id: number for number, task in enumerate(plan.tasks)}
        self._forward = direction is Direction.FORWARD
        before = {task.id: list(dict.fromkeys(task.needs)) for task in plan.tasks}
        self._next, waits = (plan.needed_by, before) if self._forward else (before, plan.needed_by)
        self._waiting_for = {task_id: len(others) for task_id, others in waits.items()}
        # Back, nothing waits for what it doesn't need: it is as it is, whatever becomes of the other.
        self._followers = plan.followed_by if self._forward else {}
        for followers in self._followers.values():
            for follower in followers:
                self._waiting_for[follower] += 1
        self._given_up: set[str] = set()
        self._settled = frozenset(settled)
        self._left = len(plan.tasks) - len(self._settled)
        self._arrive(task_id for task_id, waits in list(self._waiting_for.items()) if waits == 0)

    def _arrive(self, task_ids: Iterable[str]) -> None:
        """Nothing that these wait for is left. What is settled lets its successors go at once."""
        arrived = list(task_ids)
        while arrived:
            task_id = arrived.pop()
            if task_id in self._settled:
                arrived += self._released_by(task_id)
            else:
                self._ready.add(self._entry(task_id), self._plan.by_id[task_id].budgets)

    def _released_by(self, task_id: str) -> list[str]:
        return self._released([*self._next[task_id], *self._followers.get(task_id, ())])

    def _released(self, waiting: Iterable[str]) -> list[str]:
        """Those of these for which this was the last that they waited for."""
        released: list[str] = []
        for after in waiting:
            self._waiting_for[after] -= 1
            if self._waiting_for[after] == 0:
                released.append(after)
        return released

    def _give_up(self, task_id: str) -> None:
        """It won't be done, and nothing that needs it will be. What only comes after those goes on without them."""
        over = [task_id]
        while over:
            lost = over.pop()
            if lost not in self._given_up:
                self._given_up.add(lost)
                self._arrive(self._released(self._followers.get(lost, ())))
                over += self._next[lost]

    def _entry(self, task_id: str) -> Entry:
        # Forward, the longest way still to go comes first. Back, the same order is walked from its other end.
        remaining = self._plan.remaining[task_id]
        return (-remaining if self._forward else remaining, self._index[task_id], task_id)

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
        while self._free > 0 and (task_id := self._ready.take()) is not None:
            task = self._plan.by_id[task_id]
            self._running.add(task_id)
            self._free -= 1
            place = (task.host, task.step.kind)
            batch = open_batches.get(place)
            # Only apply has a way for many steps at once: undo would make each wait for the others of its batch.
            together = task.step.batch and self._forward
            if together and batch is not None and len(batch) < BATCH:
                batch.append(task)
                continue
            batches.append([task])
            if together:
                open_batches[place] = batches[-1]
        return batches

    def finish(self, task_id: str, *, succeeded: bool, hung: bool = False) -> None:
        """A task that was started has ended. What comes after it may start only if it succeeded.

        One that hung is not waited for any more, but may still act: what it took of its budgets stays taken.
        """
        self._running.remove(task_id)
        self._free += 1
        if not hung:
            self._ready.give_back(self._plan.by_id[task_id].budgets)
        if succeeded:
            self._left -= 1
            self._arrive(self._released_by(task_id))
        else:
            self._give_up(task_id)


class _Ready:
    """Tasks that may start as soon as their budgets have room.

    Those that take the same budgets are in one queue: only its first can be next. So what it costs to find the next
    task doesn't grow with how many wait for a full budget (10,000 uploads, four at a time).
    """

    def __init__(self, room: dict[str, int]) -> None:
        self._room = dict(room)
        self._queues: dict[tuple[str, ...], list[Entry]] = {}
        self._firsts: list[tuple[Entry, tuple[str, ...]]] = []
        """The first of each queue that isn't known to wait for a full budget; outdated entries are passed over."""
        self._waiting: dict[str, list[tuple[str, ...]]] = {}
        """By the full budget, the queues that wait for it."""

    def add(self, entry: Entry, budgets: tuple[str, ...]) -> None:
        queue = self._queues.setdefault(budgets, [])
        heapq.heappush(queue, entry)
        if queue[0] is entry:
            heapq.heappush(self._firsts, (entry, budgets))

    def take(self) -> str | None:
        """The most urgent task that the budgets have room for, with its units taken."""
        while self._firsts:
            first, budgets = heapq.heappop(self._firsts)
            queue = self._queues[budgets]
            if not queue or queue[0] is not first:
                continue
            full = next((budget for budget in budgets if self._room[budget] < 1), None)
            if full is not None:
                self._waiting.setdefault(full, []).append(budgets)
                continue
            heapq.heappop(queue)
            for budget in budgets:
                self._room[budget] -= 1
            self._offer(budgets)
            return first[2]
        return None

    def give_back(self, budgets: tuple[str, ...]) -> None:
        for budget in budgets:
            self._room[budget] += 1
            for waiting in self._waiting.pop(budget, ()):
                self._offer(waiting)

    def _offer(self, budgets: tuple[str, ...]) -> None:
        queue = self._queues[budgets]
        if queue:
            heapq.heappush(self._firsts, (queue[0], budgets))
