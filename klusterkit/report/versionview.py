"""The versions of all parts: what is equal on several machines is told once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.table import Table
from rich.text import Text

from klusterkit.report.screen import columns
from klusterkit.report.words import listed


class MachineVersions(Protocol):
    """Those of one machine; see :class:`klusterkit.session.versions.MachineVersions`."""

    @property
    def machine(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def parts(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def error(self) -> str | None: ...  # noqa: D102


def versions(wanted: Mapping[str, str], machines: Sequence[MachineVersions]) -> Table:
    """A row for each version of each part, with the machines that have it."""
    table = columns("PART", "VERSION", "WANTED", "ON")
    for part in dict.fromkeys(part for each in machines for part in each.parts):
        there: dict[str, list[str]] = {}
        for each in machines:
            if part in each.parts:
                there.setdefault(each.parts[part], []).append(each.machine)
        for number, (version, names) in enumerate(there.items()):
            right = wanted.get(part, version) == version
            on = "all machines" if len(names) == len(machines) > 1 else listed(names)
            table.add_row("" if number else part, Text(version, "" if right else "bad"), wanted.get(part, "-"), on)
    for each in machines:
        if each.error:
            table.add_row("", Text("?", "bad"), "", Text(f"{each.machine}: {each.error}", "bad"))
    return table
