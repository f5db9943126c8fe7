"""Say which version this is, and which Kubernetes it knows."""

from __future__ import annotations

from typing import Any

import typer

from klusterkit.cli.options import Common, Output


def run(common: Common) -> None:
    """Say it."""
    from klusterkit.cli.structured import write

    form = common.show_as(Output.JSON, Output.YAML)
    if form is Output.TEXT:
        typer.echo(in_words())
    else:
        write(own(), form)


def own() -> dict[str, Any]:
    """As data."""
    from klusterkit import __version__
    from klusterkit.cluster import RELEASES

    return {"klusterkit": __version__, "kubernetes": [release.tried.tag for release in RELEASES]}


def in_words() -> str:
    """In a line."""
    said = own()
    return f"KlusterKit {said['klusterkit']}, for Kubernetes {' and '.join(said['kubernetes'])}"
