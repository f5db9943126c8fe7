"""How long a plan takes, by what its tasks are expected to cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from klusterkit.engine.plan import Plan

_NOTHING: Mapping[str, float] = {}


def expected(plan: Plan, settled: Collection[str] = (), spent: Mapping[str, float] = _NOTHING) -> float:
    """Seconds from now to the end when these tasks, and with them all that they need, are done.

    The longest path, or what the busiest budget needs for its tasks one after the other, whichever is longer: a lower
    bound, as a host's processors are in no budget, and costs are those of the lab's hosts.

    Args:
        plan: what is done.
        settled: tasks that need nothing more.
        spent: of what a running task is expected to cost, the part that is behind it.
    """
    left = [task for task in plan.tasks if task.id not in settled]
    longest = max((plan.remaining[task.id] - spent.get(task.id, 0.0) for task in left), default=0.0)
    busy = dict.fromkeys(plan.budgets, 0.0)
    for task in left:
        for budget in task.budgets:
            busy[budget] += task.cost - spent.get(task.id, 0.0)
    return max([longest, *(cost / plan.budgets[budget] for budget, cost in busy.items())])
