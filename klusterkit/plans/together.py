"""Plans that have nothing to do with each other, made one: it is read, done and taken back as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from klusterkit.engine.plan import Plan


def together(plans: Sequence[Plan]) -> Plan:
    """One plan that does what all of them do, in whatever order their tasks' needs allow.

    Raises:
        PlanInvalid: two of them have the same task.
    """
    first, *others = plans
    outcome: dict[str, Any] = dict(first.outcome)
    for plan in others:
        for field, value in plan.outcome.items():
            outcome[field] = [*outcome.get(field, []), *value] if isinstance(value, list) else value
    return first.changed(
        operation="; ".join(plan.operation for plan in plans),
        tasks=tuple(task for plan in plans for task in plan.tasks),
        budgets={name: size for plan in plans for name, size in plan.budgets.items()},
        facts={host: facts for plan in plans for host, facts in plan.facts.items()},
        outcome=outcome,
    ).checked()
