"""Write a kubeconfig for the cluster's administrator.

Its certificate is new each time, and good for a year. It is a secret: a file is made readable for you alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    common: Common,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it there, mode 0600 [standard output]")
    ] = None,
) -> None:
    """Issue it."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session
    from klusterkit.session.private import write_private

    common.show_as()
    with Session.open(common.settings()) as session:
        say_notices(session, common)
        text = session.kubeconfig()
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_private(out.expanduser(), text)
        typer.echo(f"kubectl --kubeconfig {out} get nodes", err=True)
