"""A plan is applied exactly as it was reviewed, or not at all: here is what must not have moved since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from klusterkit.engine.executor import Call, LocalExecutor, Outcome, Verb
from klusterkit.engine.plan import Plan
from klusterkit.hosts import ShellHost
from klusterkit.session.connect import each_host, fleet_for_looking, refuse_before_run
from klusterkit.session.errors import PlanStale
from klusterkit.session.hold import Hold

AGAIN = "make a new plan with `cctl plan … --out FILE`, and review that"


def look(hold: Hold, plan: Plan) -> dict[str, Outcome]:
    """What each task's step sees on its host now, and what applying it would change. Changes nothing."""
    with fleet_for_looking(hold, plan) as fleet:
        executor = LocalExecutor(fleet, secret=hold.secret, mask=hold.mask)
        return {task.id: executor.perform([_call(plan, task.id)])[0] for task in plan.tasks}


def _call(plan: Plan, task_id: str) -> Call:
    task = plan.by_id[task_id]
    return Call(verb=Verb.DIFFER, run="plan", task=task.id, host=task.host, step=task.step, timeout=task.timeout)


def with_seen(plan: Plan, outcomes: Mapping[str, Outcome]) -> Plan:
    """The plan, bound to what was seen when it was made."""
    return plan.changed(seen={task: _digest(outcome) for task, outcome in outcomes.items()})


def _digest(outcome: Outcome) -> str:
    seen = outcome.observation
    content = [seen.satisfied, seen.before] if seen else [outcome.error.type if outcome.error else None]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def refuse_stale(hold: Hold, plan: Plan) -> None:
    """Raise ``PlanStale`` if the state, the facts of a host, or what the steps saw is no longer what it was.

    Raises ``StaleState`` where it is the other way round, and a host has seen a later state, and ``HostLocked`` where
    somebody else works on a host.
    """
    snapshot = hold.snapshot
    if plan.lineage != snapshot.lineage:
        raise PlanStale(
            f"the plan was made for another state file (lineage {plan.lineage}, this one is {snapshot.lineage})",
            hint="name the right one with --state",
        )
    if plan.serial != snapshot.serial:
        raise PlanStale(
            f"the state has moved on since the plan was made: the plan is for serial {plan.serial}, now it is "
            f"{snapshot.serial}",
            hint=AGAIN,
        )
    with fleet_for_looking(hold, plan) as fleet:
        each_host(plan.hosts, lambda name: _refuse_host(hold, fleet[name], plan.facts.get(name, {})))
    if plan.seen:
        _refuse_moved_hosts(hold, plan)


def _refuse_host(hold: Hold, host: ShellHost, planned: Mapping[str, Any]) -> None:
    refuse_before_run(hold, host)
    now: dict[str, Any] = json.loads(json.dumps(host.facts().stable())) if planned else {}
    moved = sorted(name for name in planned if now.get(name) != planned[name])
    if moved:
        seen = "; ".join(f"{name} was {planned[name]!r}, is {now.get(name)!r}" for name in moved)
        raise PlanStale(f"{host.name} is no longer what the plan was made for", host=host.name, seen=seen, hint=AGAIN)


def _refuse_moved_hosts(hold: Hold, plan: Plan) -> None:
    now = with_seen(plan, look(hold, plan)).seen
    moved = [task for task, digest in plan.seen.items() if now.get(task) != digest]
    if moved:
        raise PlanStale(
            f"hosts have changed since the plan was made: {len(moved)} of {len(plan.tasks)} tasks see something else",
            host=plan.by_id[moved[0]].host,
            seen=", ".join(moved[:8]),
            hint=AGAIN,
        )
