"""What a plan would change on its hosts, file by file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from klusterkit.engine.executor import Outcome
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Difference
from klusterkit.report.planview import in_order, path_of, satisfied
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
            if satisfied(seen, task.id):
                same += 1
            else:
                _show_task(screen, task, outcome)
        if same:
            screen.print(Text(f"  {several(same, 'task')}: the host is so already", "quiet"))
        screen.print()


def differences_of(plan: Plan, seen: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """The same for programs: of each task that isn't so already, what would change, or why that can't be told yet."""
    return [
        {
            "task": task,
            "host": plan.by_id[task].host,
            "differences": [each.model_dump(exclude_defaults=True) for each in seen[task].differences],
            **({"error": error.message} if (error := seen[task].error) else {}),
        }
        for task in plan.order
        if not satisfied(seen, task)
    ]


def _show_task(screen: Console, task: Task, outcome: Outcome) -> None:
    head = Text.assemble("  ", (path_of(task), "place"), "  ", task.step.title)
    notes = list(dict.fromkeys(difference.note for difference in outcome.differences if difference.note))
    if outcome.error is not None:
        head.append(f": can't be told yet: {outcome.error.message}", "care")
    elif len(notes) == 1 and not _is_a_diff(notes[0]):
        head.append(f": {notes[0]}", "quiet")
    screen.print(head)
    for difference in outcome.differences:
        if difference.old is None and difference.new is None:
            _show_note(screen, task, difference, alone=len(notes) > 1)
        else:
            _show_text(screen, difference)
            if difference.note and len(notes) > 1:
                screen.print(Text(f"    ({difference.note})", "quiet"))


def _show_note(screen: Console, task: Task, difference: Difference, *, alone: bool) -> None:
    """What has no text to compare: its name, unless that has been said, and why, where several things have reasons."""
    if _is_a_diff(difference.note):
        _show_lines(screen, difference.note.splitlines())
        return
    said = [difference.what] if difference.what not in f"{task.step.title} {difference.note}" else []
    said += [difference.note] if alone and difference.note else []
    if said:
        screen.print(Text(f"    {': '.join(said)}", "quiet"))


def _show_text(screen: Console, difference: Difference) -> None:
    old, new = difference.old, difference.new
    lines = difflib.unified_diff(
        (old or "").splitlines(),
        (new or "").splitlines(),
        fromfile=_NOTHING if old is None else difference.what,
        tofile=_NOTHING if new is None else difference.what,
        lineterm="",
    )
    _show_lines(screen, lines)


def _is_a_diff(note: str) -> bool:
    """Whether somebody else has compared already: the API server knows objects better than their manifest does."""
    return "\n" in note


def _show_lines(screen: Console, lines: Iterable[str]) -> None:
    for line in lines:
        screen.print(Text(f"    {line}", _STYLES.get(line[:1], "")), soft_wrap=True)
