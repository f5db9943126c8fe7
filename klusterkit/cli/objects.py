"""What ``apply -f`` and its plan do with a file of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.planned import Compile
from klusterkit.cli.textfile import text_of

ObjectsFile = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="FILE", help="Objects, YAML or JSON; - is standard input")
]
Prune = Annotated[bool, typer.Option("--prune", help="With -f: delete machines that the file leaves out")]


def wanted_by(file: Path, *, prune: bool) -> Compile:
    """Makes the plan of what differs. Raises ``UsageError`` where the file can't be read."""
    text = text_of(file)
    return lambda session, onlooker: session.plan_objects(onlooker, text, str(file), prune=prune)
