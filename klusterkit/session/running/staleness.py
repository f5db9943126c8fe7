"""A plan is applied exactly as it was reviewed, or not at all: here is what must not have moved since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from klusterkit.engine.executor import Call, Executor, LocalExecutor, Outcome, Verb
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.schedule import BATCH
from klusterkit.engine.step import Step
from klusterkit.hosts import Fleet, ShellHost
from klusterkit.session.connect import each_host, fleet_for_plan, refuse_before_run
from klusterkit.session.errors import PlanStale
from klusterkit.session.hold import Hold
from klusterkit.session.running.inputs import secret_for

AGAIN = "make a new plan with `cctl plan … --out FILE`, and review that"


def look(hold: Hold, plan: Plan) -> dict[str, Outcome]:
    """What each task's step sees on its host now, and what applying it would change. Changes nothing."""
    if not plan.tasks:  # there is nobody to log in to
        return {}
    with fleet_for_plan(hold, plan) as fleet:
        return looked(plan, Verb.DIFFER, LocalExecutor(fleet, secret=secret_for(hold, plan), mask=hold.mask))


def looked(plan: Plan, verb: Verb, executor: Executor) -> dict[str, Outcome]:
    """What a verb that changes nothing gives for each task: short steps of one kind together, hosts at once."""
    tasks: dict[str, dict[type[Step], list[Task]]] = {}
    for task in plan.tasks:
        tasks.setdefault(task.host, {}).setdefault(type(task.step), []).append(task)

    def on_host(host: str) -> dict[str, Outcome]:
        found: dict[str, Outcome] = {}
        for kind, alike in tasks[host].items():
            size = BATCH if kind.batch else 1
            for first in range(0, len(alike), size):
                found |= _together(alike[first : first + size], verb, executor)
        return found

    found = {task: outcome for outcomes in each_host(tasks, on_host).values() for task, outcome in outcomes.items()}
    return {task.id: found[task.id] for task in plan.tasks}


def _together(tasks: Sequence[Task], verb: Verb, executor: Executor) -> dict[str, Outcome]:
    outcomes = executor.perform([call_of(verb, task) for task in tasks])
    error = outcomes[0].error
    if error is not None and not error.lost and len(tasks) > 1:
        # One of them can't be looked at: which, they tell one by one.
        return {task.id: executor.perform([call_of(verb, task)])[0] for task in tasks}
    return {task.id: outcome for task, outcome in zip(tasks, outcomes, strict=True)}


def call_of(verb: Verb, task: Task) -> Call:
    """Asks of a task what is asked before any run: it changes nothing."""
    return Call(verb=verb, run="plan", task=task.id, host=task.host, step=task.step, timeout=task.timeout)


def with_seen(plan: Plan, outcomes: Mapping[str, Outcome]) -> Plan:
    """The plan, bound to what was seen when it was made."""
    return plan.changed(seen={task: _digest(outcome) for task, outcome in outcomes.items()})


def _digest(outcome: Outcome) -> str:
    seen = outcome.observation
    content = [seen.satisfied, seen.before] if seen else [outcome.error.type if outcome.error else None]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def refuse_other_state(hold: Hold, plan: Plan) -> None:
    """Raise ``PlanStale`` if the plan was made for another state than this one."""
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


def refuse_moved(hold: Hold, plan: Plan, fleet: Fleet) -> None:
    """Raise ``PlanStale`` if the facts of a host, or what the steps saw, is no longer what it was.

    Raises ``StaleState`` where it is the other way round, and a host has seen a later state, and ``HostLocked`` where
    somebody else works on a host.
    """
    each_host(plan.hosts, lambda name: _refuse_host(hold, fleet[name], plan.facts.get(name, {})))
    if plan.seen:
        executor = LocalExecutor(fleet, secret=secret_for(hold, plan), mask=hold.mask)
        _refuse_moved_hosts(plan, looked(plan, Verb.OBSERVE, executor))


def _refuse_host(hold: Hold, host: ShellHost, planned: Mapping[str, Any]) -> None:
    refuse_before_run(hold, host)
    now: dict[str, Any] = json.loads(json.dumps(host.facts().stable())) if planned else {}
    moved = sorted(name for name in planned if now.get(name) != planned[name])
    if moved:
        seen = "; ".join(f"{name} was {planned[name]!r}, is {now.get(name)!r}" for name in moved)
        raise PlanStale(f"{host.name} is no longer what the plan was made for", host=host.name, seen=seen, hint=AGAIN)


def _refuse_moved_hosts(plan: Plan, outcomes: Mapping[str, Outcome]) -> None:
    now = with_seen(plan, outcomes).seen
    moved = [task for task, digest in plan.seen.items() if now.get(task) != digest]
    if moved:
        raise PlanStale(
            f"hosts have changed since the plan was made: {len(moved)} of {len(plan.tasks)} tasks see something else",
            host=plan.by_id[moved[0]].host,
            seen=", ".join(moved[:8]),
            hint=AGAIN,
        )
