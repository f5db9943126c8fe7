"""Fetch etcd now, for init or join when nothing can be reached.

It is verified, and kept in the folder of downloads, which is looked into first from then on.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.tools.member import Fixed
from klusterkit.cli.tools.options import OnHost


def run(
    common: OnHost,
    fixed: Fixed,
    version: Annotated[
        str | None, typer.Option("--version", metavar="VERSION", help="Such as 3.6.16 [the one that was tried]")
    ] = None,
) -> None:
    """Fetch."""
    from klusterkit.report.preparing import Preparing
    from klusterkit.report.screen import aside

    fixed.refuse_others()
    with common.session(write="etcdadm download") as session, Preparing(aside(color=common.color)) as onlooker:
        path = session.download_etcd(version, onlooker)
    typer.echo(str(path))
