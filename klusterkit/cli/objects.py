"""What ``apply -f`` and its plan do with a file of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.deletion import Draining
from klusterkit.cli.planned import Compile
from klusterkit.cli.textfile import text_of

ObjectsFile = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="FILE", help="Objects, YAML or JSON; - is standard input")
]
Prune = Annotated[bool, typer.Option("--prune", help="With -f: delete machines that the file leaves out")]


def wanted_by(file: Path, draining: Draining, *, prune: bool) -> Compile:
    """Makes the plan of what differs.

    Raises:
        UsageError: the file can't be read.
        typer.BadParameter: it is said how nodes are drained, and none would go.
    """
    if draining != Draining() and not prune:
        raise typer.BadParameter("how nodes are drained is said of machines that leave: with --prune")
    drain, text = draining.wanted(), text_of(file)
    return lambda session, onlooker: session.plan_objects(onlooker, text, str(file), prune=prune, **drain)
