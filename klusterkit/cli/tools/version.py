"""Say which version this is, and what it installs where nothing else is asked for."""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.options import Output
from klusterkit.cli.tools.options import OnHost, called_as


def run(
    common: OnHost, short: Annotated[bool, typer.Option("--short", help="Print just the version number")] = False
) -> None:
    """Say it."""
    from klusterkit import __version__
    from klusterkit.cli.structured import write
    from klusterkit.cluster import RELEASES

    own, etcd, known = __version__, RELEASES[-1].etcd, [release.tried.tag for release in RELEASES]
    form = common.show_as(Output.JSON, Output.YAML)
    if form is not Output.TEXT:
        write({"klusterkit": own, "etcd": etcd, "kubernetes": known}, form)
    elif short:
        typer.echo(own)
    elif called_as() == "etcdadm":
        typer.echo(f"KlusterKit {own}, for etcd {etcd}")
    else:
        typer.echo(f"KlusterKit {own}, for Kubernetes {' and '.join(known)}")
