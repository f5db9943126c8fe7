"""Do exactly what a saved plan says.

It is refused if the state file or a host has moved on since it was made, or if it was edited. There is no question: the
plan has been read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common, Output


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Saved by cctl plan … --out FILE")], common: Common
) -> int:
    """Load, check, apply."""
    from klusterkit.cli.execute import execute
    from klusterkit.cli.notices import say_notices
    from klusterkit.engine.journal import Direction
    from klusterkit.report.planview import show_summary
    from klusterkit.report.screen import aside
    from klusterkit.session import Session
    from klusterkit.session.plans import load_plan

    common.show_as(Output.JSON)
    plan = load_plan(file.expanduser())
    with Session.open(common.settings(), write=f"apply {file}") as session:
        say_notices(session, common)
        show_summary(aside(color=common.color), plan)
        return execute(common, session, plan, lambda tell: session.start(plan, tell), Direction.FORWARD)
