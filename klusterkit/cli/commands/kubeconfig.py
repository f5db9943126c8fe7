"""Write a kubeconfig for the cluster's administrator.

Its certificate is new each time, and good for a year. It is a secret: a file is made readable for you alone.
"""

from __future__ import annotations

import os
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

    with Session.open(common.settings()) as session:
        say_notices(session, common)
        text = session.kubeconfig()
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write(out.expanduser(), text)
        typer.echo(f"kubectl --kubeconfig {out} get nodes", err=True)


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole: it is never there half, nor readable for others for a moment."""
    partial = path.with_name(f"{path.name}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)
