"""The critical path of a run: the chain of tasks, each needing the one before, that took longest together.

With these durations no run of the plan could have been shorter, whatever else was done at once. What a run took beyond
it went into waiting for budgets, and into the runner itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from klusterkit.engine.plan import Plan


def critical_path(plan: Plan, took: Mapping[str, float]) -> tuple[str, ...]:
    """The tasks on it, the first one first.

    Args:
        plan: what was run.
        took: seconds by task. One that isn't there took none, and isn't named.
    """
    total: dict[str, float] = {}
    previous: dict[str, str | None] = {}
    for task_id in plan.order:
        task = plan.by_id[task_id]
        slowest = max((*task.needs, *task.after), key=total.__getitem__, default=None)
        previous[task_id] = slowest
        total[task_id] = took.get(task_id, 0.0) + (total[slowest] if slowest else 0.0)
    path: list[str] = []
    last = max(total, key=total.__getitem__, default=None)
    while last is not None:
        path.append(last)
        last = previous[last]
    return tuple(task_id for task_id in reversed(path) if task_id in took)
