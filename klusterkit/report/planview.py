"""A plan, as it is read before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from klusterkit.engine.executor import Outcome
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Undo
from klusterkit.report.estimate import expected
from klusterkit.report.screen import columns
from klusterkit.report.words import in_own_words, listed, roughly, several

MEANING = {
    "+": "is made",
    "~": "is changed",
    "-": "is taken back or away",
    "=": "is so already",
    ".": "only looks, waits or proves",
    "?": "can't be told before what comes first is done",
    "!": "can't be undone",
}
"""The symbols, and what each says of a task."""

_BASIS = " or more, as measured on test hosts"
"""What the time is. It is the longest path's, and no host has been measured yet."""

_STYLES = {"+": "add", "~": "care", "-": "care", "!": "bad", "?": "care", "=": "quiet", ".": "quiet"}


def symbol(task: Task, seen: Outcome | None = None) -> str:
    """What a plan shows before a task, given what a look at the host has told, if there was one."""
    if seen is not None and seen.observation is not None and seen.observation.satisfied:
        return "="
    if task.irreversible:
        return "!"
    if task.step.undoing is Undo.NOTHING:
        return "."
    if seen is not None and seen.error is not None:
        return "?"
    return _change(task, seen)


def _change(task: Task, seen: Outcome | None) -> str:
    if task.step.takes_away:
        return "-"
    changes = seen is not None and any(difference.old is not None for difference in seen.differences)
    return "~" if changes else "+"


def show_plan(screen: Console, plan: Plan, seen: Mapping[str, Outcome] | None = None, *, wide: bool = False) -> None:
    """Show what will be done, host by host and in order, what can't be undone, and how long it takes."""
    symbols = {task.id: symbol(task, (seen or {}).get(task.id)) for task in plan.tasks}
    for hosts, tasks in _alike(plan, symbols):
        screen.print(Text(_heading(hosts, len(tasks)), "head"))
        screen.print(_tasks(plan, tasks, symbols, wide=wide))
        screen.print()
    _show_legend(screen, set(symbols.values()))
    _show_bounds(screen, plan)
    show_summary(screen, plan, seen)


def show_summary(screen: Console, plan: Plan, seen: Mapping[str, Outcome] | None = None) -> None:
    """One line, after what the operator should know of even when the rest is not read."""
    if plan.empty:
        screen.print("Nothing to do: all is as it is asked for.")
        return
    points = plan.points_of_no_return()
    if points:
        screen.print(Text(f"Can't be undone once begun ({several(len(points), 'point')} of no return):", "bad"))
        for task in points:
            screen.print(Text(f"  ! {task.id}  {task.step.title}"))
    else:
        screen.print(in_own_words("Everything in it can be undone until it is done: cctl rollback."))
    so = {task.id for task in plan.tasks if satisfied(seen, task.id)}
    total = f"{several(len(plan.tasks), 'task')} on {several(len(plan.hosts), 'host')}"
    already = f", {len(so)} as they should be already" if seen else ""
    left = [task.model_copy(update={"cost": 0.0}) if task.id in so else task for task in plan.tasks]
    time = roughly(expected(plan.changed(tasks=tuple(left))))
    screen.print(Text.assemble(("Plan: ", "head"), f"{plan.operation}: {total}{already}, {time}{_BASIS}."))


def satisfied(seen: Mapping[str, Outcome] | None, task: str) -> bool:
    """Whether a look has shown that a task's host is as the task would make it."""
    observation = seen[task].observation if seen and task in seen else None
    return observation is not None and observation.satisfied


def path_of(task: Task) -> str:
    """A task's id without its host."""
    return task.id.removeprefix(f"{task.host}/")


def _alike(plan: Plan, symbols: Mapping[str, str]) -> list[tuple[list[str], list[Task]]]:
    """Hosts that have the same things done to them, with the tasks of the first, in the order in which they can run."""
    tasks: dict[str, list[Task]] = {host: [] for host in plan.hosts}
    for task_id in plan.order:
        task = plan.by_id[task_id]
        tasks[task.host].append(task)
    groups: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    for host, mine in tasks.items():
        key = tuple((symbols[task.id], path_of(task), task.step.title) for task in mine)
        groups.setdefault(key, []).append(host)
    return [(hosts, tasks[hosts[0]]) for hosts in groups.values()]


def _heading(hosts: Sequence[str], tasks: int) -> str:
    if len(hosts) == 1:
        return f"{hosts[0]}: {several(tasks, 'task')}"
    return f"{listed(hosts)} ({several(len(hosts), 'host')}): the same {several(tasks, 'task')} each"


def _tasks(plan: Plan, tasks: Sequence[Task], symbols: Mapping[str, str], *, wide: bool) -> Table:
    table = columns("", "", "")
    for task in tasks:
        sign = symbols[task.id]
        line = Text(task.step.title, "quiet" if sign == "=" else "")
        after = _after(plan, task, wide=wide)
        if after:
            line.append(f"  (after {listed(after, 100 if wide else 3)})", "quiet")
        table.add_row(Text(f"  {sign}", _STYLES[sign]), Text(path_of(task), "place"), line)
    return table


def _after(plan: Plan, task: Task, *, wide: bool) -> list[str]:
    """What is worth saying of its needs: those on other hosts, as the order on its own is the order of the list."""
    elsewhere = [need for need in task.needs if wide or plan.by_id[need].host != task.host]
    return [need.removeprefix(f"{task.host}/") for need in elsewhere]


def _show_legend(screen: Console, symbols: set[str]) -> None:
    said = [f"{sign} {text}" for sign, text in MEANING.items() if sign in symbols]
    screen.print(Text("   ".join(said), "quiet"))


def _show_bounds(screen: Console, plan: Plan) -> None:
    hosts = set(plan.hosts)
    bounds: dict[str, int] = {}
    for budget, size in sorted(plan.budgets.items(), key=lambda item: item[0].partition("/")[0]):
        kind, _, host = budget.partition("/")
        bounds[f"{kind} on each host" if host in hosts else budget] = size
    if bounds:
        said = ", ".join(f"{size} {name}" for name, size in bounds.items())
        screen.print(Text(f"At the same time, at most: {said}.", "quiet"))


def in_order(tasks: Sequence[Task]) -> list[tuple[str, list[Task]]]:
    """Tasks by host, hosts in the order of their first task."""
    hosts = list(dict.fromkeys(task.host for task in tasks))
    ordered = sorted(tasks, key=lambda task: hosts.index(task.host))
    return [(host, list(mine)) for host, mine in groupby(ordered, key=lambda task: task.host)]
