"""What a plan would change on its hosts, file by file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from klusterkit.engine.executor import Outcome
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Difference
from klusterkit.report.planview import in_order, path_of
from klusterkit.report.words import several

_NOTHING = "/dev/null"
_STYLES = {"+": "add", "-": "take", "@": "place"}


def show_differences(screen: Console, plan: Plan, seen: Mapping[str, Outcome]) -> None:
    """Show per host what each task would change: texts as unified diffs, the rest in words. Secrets come masked."""
    for host, tasks in in_order([plan.by_id[task] for task in plan.order]):
        screen.print(Text(host, "head"))
        same = 0
        for task in tasks:
            outcome = seen[task.id]
            if outcome.observation is not None and outcome.observation.satisfied:
                same += 1
            else:
                _show_task(screen, task, outcome)
        if same:
            screen.print(Text(f"  {several(same, 'task')}: the host is so already", "quiet"))
        screen.print()


def _show_task(screen: Console, task: Task, outcome: Outcome) -> None:
    screen.print(Text.assemble("  ", (path_of(task), "place"), "  ", task.step.title))
    if outcome.error is not None:
        screen.print(Text(f"    can't be told yet: {outcome.error.message}", "care"))
    for difference in outcome.differences:
        if difference.old is None and difference.new is None:
            _show_note(screen, task, difference)
        else:
            _show_text(screen, difference)


def _show_note(screen: Console, task: Task, difference: Difference) -> None:
    what = "" if difference.what == task.step.title else f"{difference.what}: "
    if what or difference.note:
        screen.print(Text(f"    {what}{difference.note}".rstrip(": "), "quiet"))


def _show_text(screen: Console, difference: Difference) -> None:
    old, new = difference.old, difference.new
    lines = difflib.unified_diff(
        (old or "").splitlines(),
        (new or "").splitlines(),
        fromfile=_NOTHING if old is None else difference.what,
        tofile=_NOTHING if new is None else difference.what,
        lineterm="",
    )
    for line in lines:
        screen.print(Text(f"    {line}", _STYLES.get(line[:1], "")), soft_wrap=True)
    if difference.note:
        screen.print(Text(f"    ({difference.note})", "quiet"))
