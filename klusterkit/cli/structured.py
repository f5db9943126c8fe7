"""Results for programs."""

from __future__ import annotations

import json
from typing import Any

import typer

from klusterkit.cli.options import Output


def write(data: Any, form: Output) -> None:
    """Write plain data as JSON or YAML to standard output."""
    if form is Output.JSON:
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        import yaml

        typer.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
