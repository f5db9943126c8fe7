"""Do what a saved plan says, exactly; or what edited objects want.

A saved plan is refused if the state file or a host has moved on since it was made, or if it was edited; there is no
question, as it has been read. Objects (`cctl get all -o yaml` writes them) are compared with the state: machines that
are new are created, labels, taints and logins that differ are changed, and what can't be changed is refused. That is
planned, shown and asked about. Machines that the file leaves out stay, unless --prune: then they leave as by
`cctl delete machine`, with its options of how their pods do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.deletion import Draining
from klusterkit.cli.objects import ObjectsFile, Prune, wanted_by
from klusterkit.cli.options import Common, Output


def run(
    common: Common,
    file: Annotated[
        Path | None, typer.Argument(metavar="[PLAN]", help="Saved by cctl plan … --out FILE", show_default=False)
    ] = None,
    objects: ObjectsFile = None,
    prune: Prune = False,
    *,
    draining: Draining,
) -> int:
    """Do either."""
    if objects is not None and file is None:
        return _objects(common, objects, draining, prune=prune)
    if file is None or objects is not None or prune or draining != Draining():
        raise typer.BadParameter("give a saved plan (cctl apply PLAN), or objects (cctl apply -f FILE [--prune])")
    return _saved(common, file)


def _saved(common: Common, file: Path) -> int:
    from klusterkit.cli.execute import execute
    from klusterkit.cli.notices import say_notices
    from klusterkit.engine.journal import Direction
    from klusterkit.report.planview import show_summary
    from klusterkit.report.screen import aside
    from klusterkit.session import Session
    from klusterkit.session.running.plans import load_plan

    common.show_as(Output.JSON)
    plan = load_plan(file.expanduser())
    with Session.open(common.settings(), write=f"apply {file}") as session:
        say_notices(session, common)
        session.refuse_stale(plan)
        show_summary(aside(color=common.color), plan)
        return execute(common, session, plan, lambda tell: session.start(plan, tell), Direction.FORWARD)


def _objects(common: Common, file: Path, draining: Draining, *, prune: bool) -> int:
    from klusterkit.cli.planned import do

    compiled = wanted_by(file, draining, prune=prune)
    return do(common, common.settings(), f"apply -f {file}", compiled, "{cctl} status")
