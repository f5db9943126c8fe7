"""Say which version this is, and which Kubernetes it knows."""

from __future__ import annotations

import typer

from klusterkit.cli.options import Common, Output


def run(common: Common) -> None:
    """Say it."""
    from importlib.metadata import version

    from klusterkit.cli.structured import write
    from klusterkit.cluster import RELEASES

    own, known = version("klusterkit"), [release.tried.tag for release in RELEASES]
    form = common.show_as(Output.JSON, Output.YAML)
    if form is Output.TEXT:
        typer.echo(f"KlusterKit {own}, for Kubernetes {' and '.join(known)}")
    else:
        write({"klusterkit": own, "kubernetes": known}, form)
