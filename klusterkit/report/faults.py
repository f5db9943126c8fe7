"""Errors as the operator reads them: what, where, what was seen, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.text import Text

from klusterkit.report.screen import columns
from klusterkit.report.words import in_own_words, listed, several


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    what: str
    hosts: tuple[str, ...] = ()
    where: str | None = None
    """A task, a file, a part of the request."""
    seen: str | None = None
    hint: str | None = None
    reasons: tuple[Fault, ...] = ()
    """What it consists of, where several things are refused at once."""

    def rewritten(self, change: Callable[[str], str]) -> Fault:
        """The same with each of its texts changed, those of its reasons, too."""
        given = {name: getattr(self, name) for name in ("what", "where", "seen", "hint")}
        texts = {name: change(text) for name, text in given.items() if text is not None}
        return replace(self, **texts, reasons=tuple(reason.rewritten(change) for reason in self.reasons))


def show_fault(screen: Console, fault: Fault) -> None:
    """Show an error, and all of its reasons."""
    screen.print(Text.assemble(("error: ", "bad"), fault.what))
    _details(screen, fault, indent=2)
    reasons = together(fault.reasons)
    for number, reason in enumerate(reasons, start=1):
        screen.print()
        screen.print(Text.assemble((f"  {number}. " if len(reasons) > 1 else "  ", "bad"), reason.what))
        _details(screen, reason, indent=5 if len(reasons) > 1 else 4)


def together(faults: Iterable[Fault]) -> list[Fault]:
    """Equal faults of several hosts as one."""
    hosts: dict[Fault, list[str]] = {}
    for fault in faults:
        hosts.setdefault(replace(fault, hosts=()), []).extend(fault.hosts)
    return [replace(fault, hosts=tuple(dict.fromkeys(there))) for fault, there in hosts.items()]


def _details(screen: Console, fault: Fault, indent: int) -> None:
    table = columns("", "", gap=1)
    for label, value in _lines(fault):
        table.add_row(Text(" " * indent + label, "quiet"), Text(value))
    if table.row_count:
        screen.print(table)


def _lines(fault: Fault) -> list[tuple[str, str]]:
    found = [
        ("host:", _hosts(fault.hosts)),
        ("where:", None if fault.where and fault.where in fault.what else fault.where),
        ("seen:", fault.seen.strip() if fault.seen else None),
        ("what to do:", in_own_words(fault.hint) if fault.hint else None),
    ]
    return [(label, value) for label, value in found if value]


def _hosts(hosts: Sequence[str]) -> str:
    return listed(hosts) if len(hosts) < 6 else f"{listed(hosts)} ({several(len(hosts), 'host')})"
