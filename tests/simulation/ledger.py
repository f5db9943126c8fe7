"""What must hold at every moment of a run, judged from the records that are on disk and from nothing of the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from klusterkit.engine.plan import Plan

SETTLED = ("applied", "skipped")


class Ledger:
    """Each task's standing as the durable records tell it.

    A task is ``untouched``, ``applying``, ``applied``, ``failed``, ``skipped``, ``undoing`` or ``stuck``.

    Args:
        plan: what the run walks.
        complain: told whatever is not as it must be.
    """

    def __init__(self, plan: Plan, complain: Callable[[str], None]) -> None:
        self.plan = plan
        self.standing = dict.fromkeys(plan.by_id, "untouched")
        self.asked: set[str] = set()
        self.learnt = 0
        self._complain = complain
        self._acting: set[str] = set()

    def learn(self, records: Iterable[Mapping[str, Any]]) -> None:
        """These records are durable now."""
        for record in records:
            self.learnt += 1
            self._learn(record)

    def _learn(self, record: Mapping[str, Any]) -> None:
        task = record.get("task")
        if task is None:
            return
        back = record.get("direction") == "back"
        match record["record"], record.get("choice"):
            case "begin", _:
                self._check_order(task, back)
                self.standing[task] = "undoing" if back else "applying"
                self.asked.discard(task)
                self.acts(task)
            case "end", _:
                self._check_order(task, back)
                self.standing[task] = "untouched" if back else "applied"
                self.ceases(task)
            case "fail", _:
                if self.standing[task] != "untouched":
                    self.standing[task] = "stuck" if back else "failed"
                self.ceases(task)
            case "leave", _:
                self.standing[task] = "untouched"
                self.ceases(task)
            case "ask", _:
                self.asked.add(task)
            case "decide", "gone":
                without = "untouched" if back else "skipped"
                self.standing[task] = self.standing[task] if self.standing[task] == "applied" and not back else without
            case "decide", choice:
                self.standing[task] = {"adopt": "applied", "retry": "failed", "skip": "skipped"}[str(choice)]

    def _check_order(self, task: str, back: bool) -> None:
        """An action or its end is journaled only when what it stands on is, and nothing stands on what is undone."""
        graph = self.plan.graph
        others = graph.successors(task) if back else graph.predecessors(task)
        wanted = ("untouched",) if back else SETTLED
        wrong = [f"{other} {self.standing[other]}" for other in others if self.standing[other] not in wanted]
        if wrong:
            self._complain(f"{task} {'undone' if back else 'begun'} while {', '.join(wrong)}")

    def acts(self, task: str) -> None:
        """It does something to its host: its budgets must have room."""
        self._acting.add(task)
        used = Counter(budget for acting in self._acting for budget in self.plan.by_id[acting].budgets)
        for budget, units in used.items():
            if units > self.plan.budgets[budget]:
                self._complain(f"budget {budget} overdrawn when {task} acted: {sorted(self._acting)}")

    def ceases(self, task: str) -> None:
        """It ended, or the runner doesn't wait for it any more."""
        self._acting.discard(task)

    def begin_life(self, records: list[Mapping[str, Any]]) -> None:
        """A new process reads the journal: what a killed one wrote without living to know it, counts."""
        if len(records) < self.learnt:  # of another run
            self.standing = dict.fromkeys(self.plan.by_id, "untouched")
            self.asked.clear()
            self.learnt = 0
        self.learn(records[self.learnt :])
        self._acting.clear()

    def check_action(self, task: str, *, undoing: bool) -> None:
        """It changes its host now: its begin in this direction must be on disk, and its end not."""
        wanted = "undoing" if undoing else "applying"
        if self.standing[task] != wanted:
            self._complain(f"{task} {wanted} without a durable begin: it is {self.standing[task]}")

    def check_program(self, task: str) -> None:
        """Its program goes on: one that applies runs until the undo that has begun ends it, and the other way round."""
        if self.standing[task] not in ("applying", "undoing"):
            self._complain(f"a program of {task} runs, and it is {self.standing[task]}")
