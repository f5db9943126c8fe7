"""Whether hosts are fit, check by check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.text import Text

from klusterkit.report.screen import columns
from klusterkit.report.words import several
from klusterkit.tasks.preflight import Refusal


class Check(Protocol):
    """One thing that was looked at; see :class:`klusterkit.session.machines.preflight.Check`."""

    @property
    def name(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def seen(self) -> str: ...  # noqa: D102
    @property
    def refusals(self) -> Sequence[Refusal]: ...  # noqa: D102
    @property
    def ok(self) -> bool: ...  # noqa: D102


class Examined(Protocol):
    """A host; see :class:`klusterkit.session.machines.preflight.Examined`."""

    @property
    def machine(self) -> str: ...  # noqa: D102
    @property
    def roles(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def checks(self) -> Sequence[Check]: ...  # noqa: D102
    @property
    def fit(self) -> bool: ...  # noqa: D102


def show_examined(screen: Console, hosts: Sequence[Examined]) -> None:
    """Show each host: what was looked at, what was seen, and below a check that fails why, and what to do."""
    for host in hosts:
        screen.print(Text.assemble((host.machine, "head"), f" as {','.join(host.roles)}: ", _fitness(host)))
        table = columns("", "", "")
        for check in host.checks:
            table.add_row(_mark(check), check.name, _said(check))
        screen.print(table)
        screen.print()
    unfit = [host for host in hosts if not host.fit]
    words = f"{several(len(unfit), 'host')} can't be used as {'it is' if len(unfit) == 1 else 'they are'}"
    screen.print(Text(words, "bad") if unfit else Text("all can be used", "good"))


def _fitness(host: Examined) -> Text:
    return Text("fit", "good") if host.fit else Text("not fit", "bad")


def _mark(check: Check) -> Text:
    if not check.ok:
        return Text("  no", "bad")
    return Text("  !", "care") if check.refusals else Text("  ok", "good")


def _said(check: Check) -> Text:
    if not check.refusals:
        return Text(check.seen, "quiet")
    lines = Text()
    for number, refusal in enumerate(check.refusals):
        seen = f" ({refusal.seen})" if refusal.seen else ""
        lines.append("\n" if number else "")
        lines.append(f"{refusal.what}{seen}", "bad" if refusal.fatal else "care")
        lines.append(f"\n  what to do: {refusal.hint}")
    return lines
