"""How a run ended, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from klusterkit.engine.errors import ErrorInfo, HostUnreachable
from klusterkit.engine.journal import Status, TaskState, counts, passed
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.runner import Report
from klusterkit.report.faults import Fault, show_fault
from klusterkit.report.planview import path_of
from klusterkit.report.screen import columns
from klusterkit.report.words import duration, listed, several, to_do

_COUNTED = {
    Status.DONE: "done",
    Status.FAILED: "failed",
    Status.UNKNOWN: "not known how they ended",
    Status.STUCK: "can't be undone",
    Status.UNDO_UNKNOWN: "not known how their undoing ended",
    Status.UNDONE: "undone",
    Status.SKIPPED: "skipped",
    Status.PENDING: "not begun",
}


def show_failures(
    screen: Console, plan: Plan, states: Mapping[str, TaskState], errors: Mapping[str, ErrorInfo]
) -> None:
    """Show what failed, where, what was seen and what to do; what many tasks met is told once."""
    for fault in _faults(plan, states, errors):
        screen.print()
        show_fault(screen, fault)
    if errors:
        screen.print()


def _faults(plan: Plan, states: Mapping[str, TaskState], errors: Mapping[str, ErrorInfo]) -> list[Fault]:
    """The errors of tasks. One that came to tasks of different kinds is told without what each was to do."""
    met: dict[tuple[str | None, ...], list[Task]] = {}
    for task_id, error in errors.items():
        key = (words_of(task_id, error), error.seen, error.hint, error.type)
        met.setdefault(key, []).append(plan.by_id[task_id])
    return [_fault(tasks, states, errors[tasks[0].id]) for tasks in met.values()]


def words_of(task: str, error: ErrorInfo) -> str:
    """The error's message, without the task's name where that is said beside it."""
    return error.message.removeprefix(f"{task}: ")


def _fault(tasks: Sequence[Task], states: Mapping[str, TaskState], error: ErrorInfo) -> Fault:
    what = words_of(tasks[0].id, error)
    titles = {to_do(task.step.title, undoing=states[task.id].status is Status.STUCK) for task in tasks}
    if tasks[0].step.title not in what and len(titles) == 1:
        what = f"{titles.pop()}: {what}"
    hosts = dict.fromkeys(task.host for task in tasks)
    paths = list(dict.fromkeys(map(path_of, tasks)))
    where = f"{'task' if len(paths) == 1 else f'{len(paths)} tasks:'} {listed(paths)}"
    return Fault(what, tuple(hosts), where, error.seen, error.hint)


def show_end(screen: Console, plan: Plan, report: Report, seconds: float, command: str = "cctl") -> None:
    """Say in a few lines where the run stands and which command is next.

    Args:
        screen: standard output: this is the command's result.
        plan: what was run.
        report: how it ended.
        seconds: how long this walk took.
        command: how cctl was called, with the options that the next call needs as well.
    """
    screen.print(_said(plan, report, duration(seconds)))
    if report.outcome not in ("done", "undone"):
        screen.print(next_commands(plan, report.states, command, report.errors, only_back=report.only_back))


def _said(plan: Plan, report: Report, took: str) -> Text:
    tally = in_words(report.states)
    match report.outcome:
        case "done":
            return Text.assemble(
                ("Done", "good"), f" in {took}: {plan.operation} ({several(len(plan.tasks), 'task')})."
            )
        case "undone":
            hosts = listed([host for host in plan.hosts if host not in report.without])
            left = f", {listed(report.without)} left alone" if report.without else ""
            return Text.assemble(("Taken back", "good"), f" in {took}: {plan.operation}; {hosts} as before{left}.")
        case "stopped":
            return Text.assemble(("Stopped", "care"), f" as you asked: {tally}. All of it is in the journal.")
        case "asked":
            return Text.assemble(("Waits for your answer", "care"), f": {tally}.")
        case "failed":
            return Text.assemble(("Failed", "bad"), f": {tally}. All of it is in the journal.")


def in_words(states: Mapping[str, TaskState]) -> str:
    """``52 of 97 tasks done, 1 failed, 44 not begun``."""
    found = counts(states.values())
    first = f"{found.pop(Status.DONE, 0)} of {several(len(states), 'task')} done"
    rest = [f"{found[status]} {words}" for status, words in _COUNTED.items() if status in found]
    return ", ".join([first, *rest])


def next_commands(
    plan: Plan,
    states: Mapping[str, TaskState],
    command: str,
    errors: Mapping[str, ErrorInfo] | None = None,
    *,
    only_back: bool = False,
) -> Table:
    """What can be done with a run that has not ended.

    Args:
        plan: what was run.
        states: of its tasks.
        command: how cctl was called.
        errors: of this walk.
        only_back: whether it can't go forward any more.
    """
    table = columns("", "")
    asked = next((task for task, state in states.items() if state.asked), None)
    if only_back:
        table.add_row(f"  {command} rollback", "goes on with the way back")
        return table
    if asked:
        table.add_row(f"  {command} resume --adopt {asked}", "it is as it should be")
        table.add_row(f"  {command} resume --retry {asked}", "do it again")
        table.add_row(f"  {command} resume --skip {asked}", "go on without it")
    else:
        table.add_row(f"  {command} resume", "goes on from there")
    if passed(plan, states) is None:
        table.add_row(f"  {command} rollback", "puts the hosts back as they were")
    silent = (plan.by_id[task].host for task, error in (errors or {}).items() if error.type == HostUnreachable.__name__)
    for host in dict.fromkeys(silent) if command.partition(" ")[0].endswith("cctl") else ():
        way = "rollback" if passed(plan, states) is None else "resume"
        table.add_row(
            f"  {command} {way} --gone {host}", f"if {host} is lost for good: without it, where that is possible"
        )
    return table
