"""Runs that have ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from klusterkit.moments import moment
from klusterkit.report.screen import columns
from klusterkit.report.words import duration, several

_STYLES = {"done": "good", "undone": "care"}


def runs(found: Iterable[Mapping[str, Any]], *, wide: bool = False) -> Table:
    """Runs in brief, one row each, oldest first."""
    table = columns("RUN", "ENDED", "TOOK", "OUTCOME", *(("TASKS", "WHO") if wide else ()), "OPERATION")
    for brief in found:
        took = duration(brief["ended"] - brief["began"])
        outcome = Text(brief["outcome"], _STYLES.get(brief["outcome"], ""))
        more = (str(brief["tasks"]), brief["who"]) if wide else ()
        table.add_row(brief["name"], moment(brief["ended"]), took, outcome, *more, brief["operation"])
    return table


def timings(brief: Mapping[str, Any]) -> Table:
    """How long each task of a run took, the longest first, and when it began, counted from the run's beginning."""
    table = columns("TOOK", "BEGAN", f"TASK OF {brief['name']}")
    times: Mapping[str, tuple[float, float]] = brief.get("timing", {})
    for task, (began, ended) in sorted(times.items(), key=lambda item: item[1][0] - item[1][1]):
        table.add_row(duration(ended - began), f"+ {duration(began)}", task)
    table.columns[0].justify = table.columns[1].justify = "right"
    return table


def critical_path(brief: Mapping[str, Any]) -> Group:
    """The chain of tasks that made a run as long as it was: what each took, and waited for budgets and the runner.

    Nothing of a run that was taken back, and of one that only looked.
    """
    times: Mapping[str, tuple[float, float]] = brief.get("timing", {})
    path = [(task, *times[task]) for task in brief.get("path", ())]
    needed, took = sum(ended - began for _, began, ended in path), brief["ended"] - brief["began"]
    if not needed:
        return Group()
    table = columns("WAITED", "TOOK", "BEGAN", "TASK")
    free = 0.0
    for task, began, ended in path:
        table.add_row(duration(began - free), duration(ended - began), f"+ {duration(began)}", task)
        free = ended
    for column in table.columns[:3]:
        column.justify = "right"
    head = (
        f"Critical path: {several(len(path), 'task')}, {duration(needed)}; the run took {took / needed:.2f} times that"
    )
    return Group(Text(), Text(head, "head"), table)
