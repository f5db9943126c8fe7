"""What is remembered of runs that have ended."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klusterkit.engine.journal import Journal

KEPT = 200
"""So many stay in the state file, in brief; their logs stay beside it."""
TIMED = 3
"""So many of them with the time of each task: the file is read and written as a whole, each time."""


def brief_of(journal: Journal, outcome: str) -> dict[str, Any]:
    """What is remembered of a run: who did what, when, how it ended, what each task took, and which made it so long.

    ``timing``: seconds from the run's beginning to each task's, and to its end, as JSON: YAML of hundreds of numbers
    would take longer to read and write than all else in the state. :func:`told` opens it.
    """
    from klusterkit.engine.critical import critical_path

    states = journal.states if outcome == "done" else {}  # a task that was taken back has its times no more
    timing = {
        task: [round(state.began - journal.began, 3), round(state.ended - journal.began, 3)]
        for task, state in states.items()
        if state.began and state.ended
    }
    took = {task: ended - began for task, (began, ended) in timing.items()}
    return {
        "name": journal.run,
        "operation": journal.plan.operation,
        "outcome": outcome,
        "who": journal.who,
        "plan": journal.plan.digest,
        "began": round(journal.began, 3),
        "ended": round(time.time(), 3),
        "tasks": len(journal.plan.tasks),
        "timing": json.dumps(timing),
        "path": critical_path(journal.plan, took) if outcome == "done" else (),
    }


def told(brief: Mapping[str, Any]) -> dict[str, Any]:
    """As it was remembered, and ``timing`` by task."""
    timing = brief.get("timing")
    return {**brief, "timing": json.loads(timing)} if isinstance(timing, str) else dict(brief)


def all_names(briefs: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """The names of all runs that have ended; None where the first of them are forgotten."""
    return [str(brief["name"]) for brief in briefs] if len(briefs) < KEPT else None


def kept(briefs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those that the state goes on to hold, oldest first."""
    found = [*briefs[-KEPT:]]
    return [*map(without_timing, found[:-TIMED]), *map(dict, found[-TIMED:])]


def without_timing(brief: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what each task took."""
    return {name: value for name, value in brief.items() if name not in ("timing", "path")}
