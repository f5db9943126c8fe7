"""How things stand: the run in progress, and each machine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

from rich.console import Console
from rich.text import Text

from klusterkit.engine.journal import Direction, Journal, Status, TaskState
from klusterkit.report.ending import in_words, next_commands, show_failures
from klusterkit.report.screen import columns
from klusterkit.report.words import moment, several

_WORDS = {
    Status.UNKNOWN: "began, its end is not known",
    Status.FAILED: "failed",
    Status.UNDO_UNKNOWN: "its undoing began, its end is not known",
    Status.STUCK: "can't be undone",
}


class Component(Protocol):
    """One thing on one machine, as it is and as it should be."""

    @property
    def machine(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def wanted(self) -> str: ...  # noqa: D102
    @property
    def seen(self) -> str: ...  # noqa: D102
    @property
    def hint(self) -> str: ...  # noqa: D102
    @property
    def ok(self) -> bool: ...  # noqa: D102


def show_run(screen: Console, journal: Journal, command: str = "cctl", *, wide: bool = False) -> None:
    """Show the run in progress: how far it is, what is open or failed, which command goes on; ``wide``: every task."""
    way = "going back" if journal.direction is Direction.BACK else "begun"
    screen.print(Text.assemble(("Run in progress: ", "care"), journal.plan.operation))
    screen.print(Text(f"  {way} {moment(journal.began)} by {journal.who}; {in_words(journal.states)}"))
    table = columns("", "")
    for task, state in journal.states.items():
        if wide or state.asked or state.unknown:
            table.add_row(f"  {task}", _standing(state))
    if table.row_count:
        screen.print(table)
    errors = {task: state.error for task, state in journal.states.items() if state.error is not None}
    show_failures(screen, journal.plan, errors)
    screen.print(next_commands(journal.plan, journal.states, command))
    screen.print()


def _standing(state: TaskState) -> Text:
    if state.asked:
        return Text("has to be decided", "care")
    style = {Status.DONE: "good", Status.FAILED: "bad", Status.STUCK: "bad"}.get(state.status, "")
    return Text(_WORDS.get(state.status, str(state.status)), style)


def show_components(screen: Console, components: Sequence[Component]) -> None:
    """Show each machine: one row a component, with what to do where it isn't as it should be."""
    if not components:
        screen.print("no machines yet")
        return
    table = columns("MACHINE", "COMPONENT", "SEEN", "WHAT TO DO")
    for machine, mine in groupby(components, key=lambda component: component.machine):
        for number, component in enumerate(mine):
            seen = component.seen if component.ok else f"{component.seen} (wanted: {component.wanted})"
            hint = "" if component.ok else component.hint
            table.add_row(machine if number == 0 else "", component.name, Text(seen, _style(component)), hint)
    # What a host says can be long: it is broken, as what to do is.
    table.columns[2].no_wrap = False
    table.columns[2].overflow = "fold"
    screen.print(table)
    wrong = [component for component in components if not component.ok]
    if wrong:
        machines = len({component.machine for component in wrong})
        said = f"{several(len(wrong), 'thing')} on {several(machines, 'machine')} not as it should be"
        screen.print(Text(said, "bad"))
    else:
        screen.print(Text("all as it should be", "good"))


def _style(component: Component) -> str:
    return "good" if component.ok else "bad"
