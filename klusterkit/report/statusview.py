"""How things stand: the run in progress, etcd, and each machine; what isn't as it should be, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from klusterkit.engine.journal import Direction, Journal, Status, TaskState
from klusterkit.moments import moment
from klusterkit.report.ending import in_words, next_commands, show_failures
from klusterkit.report.screen import columns
from klusterkit.report.words import listed, several

_WORDS = {
    Status.UNKNOWN: "began, its end is not known",
    Status.FAILED: "failed",
    Status.UNDO_UNKNOWN: "its undoing began, its end is not known",
    Status.STUCK: "can't be undone",
}

HEADINGS = {"ssh": "HOST", "apiserver": "API", "keepalived": "VIP", "containerd": "RUNTIME", "certificates": "CERTS"}
"""Of columns that aren't called as their components are: all of them have to fit 80 columns."""


class Component(Protocol):
    """One thing, on one machine or of the cluster; see :class:`klusterkit.session.status.Component`."""

    @property
    def machine(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def wanted(self) -> str: ...  # noqa: D102
    @property
    def seen(self) -> str: ...  # noqa: D102
    @property
    def brief(self) -> str: ...  # noqa: D102
    @property
    def hint(self) -> str: ...  # noqa: D102
    @property
    def ok(self) -> bool: ...  # noqa: D102


class Report(Protocol):
    """What is shown; see :class:`klusterkit.session.status.StatusReport`."""

    @property
    def cluster(self) -> str | None: ...  # noqa: D102
    @property
    def version(self) -> str | None: ...  # noqa: D102
    @property
    def endpoint(self) -> str | None: ...  # noqa: D102
    @property
    def components(self) -> Sequence[Component]: ...  # noqa: D102


def show_run(screen: Console, journal: Journal, command: str = "cctl", *, wide: bool = False) -> None:
    """Show the run in progress: how far it is, what is open or failed, which command goes on; ``wide``: every task."""
    screen.print(run_line(journal.plan.operation, journal.direction, journal.began, journal.who, journal.states))
    table = columns("", "")
    for task, state in journal.states.items():
        if wide or state.asked or state.unknown:
            table.add_row(f"  {task}", _standing(state))
    if table.row_count:
        screen.print(table)
    errors = {task: state.error for task, state in journal.states.items() if state.error is not None}
    show_failures(screen, journal.plan, journal.states, errors)
    screen.print(next_commands(journal.plan, journal.states, command, only_back=journal.only_back))
    screen.print()


def _standing(state: TaskState) -> Text:
    if state.asked:
        return Text("has to be decided", "care")
    style = {Status.DONE: "good", Status.FAILED: "bad", Status.STUCK: "bad"}.get(state.status, "")
    return Text(_WORDS.get(state.status, str(state.status)), style)


def run_line(operation: str, direction: Direction, began: float, who: str, states: Mapping[str, TaskState]) -> Text:
    """The run in progress, in short."""
    way = "going back" if direction is Direction.BACK else "begun"
    head = Text.assemble(("Run in progress: ", "care"), operation)
    return head.append(f"\n  {way} {moment(began)} by {who}; {in_words(states)}")


def picture(report: Report, *, wide: bool = False) -> RenderableType:
    """The cluster and its machines, then what is wrong; ``wide``: every component with what is wanted of it."""
    parts: list[RenderableType] = [_head(report)]
    of_cluster = [component for component in report.components if not component.machine]
    parts += [Text(f"{each.name}: {each.seen}") for each in of_cluster if each.ok and not wide]
    parts.append(Text())
    parts.append(_list(report.components) if wide else _matrix(report.components))
    wrong = [component for component in report.components if not component.ok]
    for fault in _together(wrong):
        parts += [Text(), fault]
    parts += [Text(), _sum(report.components, wrong)]
    return Group(*parts)


def _head(report: Report) -> Text:
    if report.cluster is None:
        return Text("no cluster yet")
    at = f", API at {report.endpoint}" if report.endpoint else ""
    return Text.assemble((report.cluster, "head"), f": Kubernetes {report.version}{at}")


def _matrix(components: Iterable[Component]) -> Table | Text:
    """A row for each machine, a column for each component that can be told in a word."""
    brief = [component for component in components if component.machine and component.brief]
    if not brief:
        return Text("no machines yet")
    names = list(dict.fromkeys(component.name for component in brief))
    table = columns("MACHINE", *(HEADINGS.get(name, name.upper()) for name in names))
    rows: dict[str, dict[str, Component]] = {}
    for component in brief:
        rows.setdefault(component.machine, {})[component.name] = component
    for machine, mine in rows.items():
        cells = [Text(mine[name].brief, _style(mine[name])) if name in mine else Text("-", "quiet") for name in names]
        table.add_row(machine, *cells)
    return table


def _list(components: Iterable[Component]) -> Table:
    table = columns("MACHINE", "COMPONENT", "WANTED", "SEEN")
    last = None
    for component in components:
        machine = component.machine or "the cluster"
        seen = Text(component.seen, _style(component))
        table.add_row(machine if machine != last else "", component.name, component.wanted, seen)
        last = machine
    table.columns[2].no_wrap = False
    return table


def _together(wrong: Iterable[Component]) -> list[RenderableType]:
    """Each fault with what to do; what several machines have alike is told once."""
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for each in wrong:
        # A hint names its machine; where machines share a fault, it is given for the first.
        plain = each.hint.replace(each.machine, "") if each.machine else each.hint
        alike.setdefault((each.name, each.wanted, each.seen, plain), []).append(each.machine)
    hints = {(each.machine, each.name): each.hint for each in wrong}
    return [
        _fault(name, machines, wanted, seen, hints[machines[0], name])
        for (name, wanted, seen, _), machines in alike.items()
    ]


def _fault(name: str, machines: Sequence[str], wanted: str, seen: str, hint: str) -> RenderableType:
    where = f"{listed(machines)}: " if machines[0] else ""
    lines = seen.splitlines()
    head = Text.assemble((f"{where}{name}: ", "bad"), lines[0] if len(lines) == 1 else "")
    table = columns("", "", gap=1)
    if len(lines) > 1:
        table.add_row(Text("  seen:", "quiet"), seen)
    table.add_row(Text("  wanted:", "quiet"), wanted)
    table.add_row(Text("  what to do:", "quiet"), hint)
    return Group(head, table)


def _sum(components: Sequence[Component], wrong: Sequence[Component]) -> Text:
    if not wrong:
        return Text("all as it should be", "good") if components else Text()
    machines = len({component.machine for component in wrong if component.machine})
    where = f" on {several(machines, 'machine')}" if machines else ""
    return Text(f"{several(len(wrong), 'thing')}{where} not as it should be", "bad")


def _style(component: Component) -> str:
    return "good" if component.ok else "bad"
