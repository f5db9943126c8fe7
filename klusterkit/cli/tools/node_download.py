"""Fetch all that a node needs now, master or not, for init or join when nothing can be reached.

It is verified, and kept in the folder of downloads, which is looked into first from then on.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.tools.options import OnHost

Version = Annotated[
    str | None,
    typer.Option("--kubernetes-version", metavar="VERSION", help="Such as 1.36.3 [the latest that is known]"),
]


def run(common: OnHost, version: Version = None) -> None:
    """Fetch."""
    from klusterkit.report.preparing import Preparing
    from klusterkit.report.screen import aside

    with common.session(write="nodeadm download") as session, Preparing(aside(color=common.color)) as onlooker:
        paths = session.download_node(version, onlooker)
    typer.echo("\n".join(map(str, paths)))
