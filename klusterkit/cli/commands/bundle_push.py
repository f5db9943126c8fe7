"""Bring a bundle to machines, so that what is done there later has all at hand.

Only what a machine lacks is brought: once from here, and from there to the others, which serve each other. BUNDLE is
the one that --bundle or KLUSTERKIT_BUNDLE names, and the machines are all of the cluster, unless others are said; they
may be machines that will be created later.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common
from klusterkit.cli.planned import do


def run(
    common: Common,
    file: Annotated[Path | None, typer.Argument(metavar="[BUNDLE]")] = None,
    ip: Annotated[
        list[str] | None, typer.Option("--ip", metavar="ADDRESS", help="Address of a machine; several: once each")
    ] = None,
    no_peers: Annotated[
        bool, typer.Option("--no-peers", help="Send everything from here: machines serve each other nothing")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, metavar="PORT", help="Of sshd")] = 22,
) -> int:
    """Plan, ask, push."""
    wanted = {"bundle": file, "addresses": tuple(ip or ()), "port": port, "share": not no_peers}
    return do(
        common,
        common.settings(),
        "bundle push",
        lambda session, onlooker: session.plan_bundle_push(onlooker, **wanted),
    )
