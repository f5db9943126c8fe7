"""The command line of a tool for one host: its own commands, and those that all such tools have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from klusterkit.cli.lazy import program
from klusterkit.cli.tools.options import OnHost

if TYPE_CHECKING:
    from typer.core import TyperGroup

_HELP = """{summary}

Every operation is a plan that you can read before it runs, stop anywhere, go on with, or take back.

Exit status: 0 done, 1 error, 3 usage or configuration, 4 locked, 5 host unreachable, 6 partly done and resumable,
7 needs a decision, 8 drift, 130 interrupted.
"""

_SHARED = {name: name for name in ("resume", "rollback", "status", "history", "version")}


def tool(name: str, summary: str, own: Mapping[str, str]) -> TyperGroup:
    """A tool.

    Args:
        name: what it is called by.
        summary: what it is for, in one line.
        own: its commands, and the modules beside this one that they are in.
    """
    modules = {command: f"{__package__}.{module}" for command, module in {**own, **_SHARED}.items()}
    return program(name, _HELP.format(summary=summary), modules, _take_common)


def _take_common(context: typer.Context, common: OnHost) -> None:
    """What was said before the subcommand, for the subcommand."""
    context.obj = common
