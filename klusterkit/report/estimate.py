"""How long a plan takes, by what its tasks are expected to cost."""

from __future__ import annotations

from collections.abc import Collection

from klusterkit.engine.plan import Plan


def expected(plan: Plan, settled: Collection[str] = ()) -> float:
    """Seconds from now to the end when these tasks, and with them all that they need, are done.

    The longest path, or what the busiest budget needs for its tasks one after the other, whichever is longer: a lower
    bound, as a host's processors are in no budget.
    """
    left = [task for task in plan.tasks if task.id not in settled]
    longest = max((plan.remaining[task.id] for task in left), default=0.0)
    busy = dict.fromkeys(plan.budgets, 0.0)
    for task in left:
        for budget in task.budgets:
            busy[budget] += task.cost
    return max([longest, *(cost / plan.budgets[budget] for budget, cost in busy.items())])
