"""Make a key that bundles are signed with.

The key is written to FILE, readable for you alone, under a passphrase; its public half beside it, with the suffix .pub,
and to standard output. minisign takes both. Pin the public half in a cluster's state: cctl bundle trust FILE.pub.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    common: Common,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the key is written")],
    without_passphrase: Annotated[
        bool, typer.Option("--without-passphrase", help="Whoever gets the file can sign with it")
    ] = False,
) -> None:
    """Make it."""
    from klusterkit.cli.terminal import signing_passphrase_question
    from klusterkit.session.supply.bundles import create_signing_key, public_path

    _ = common
    public = create_signing_key(out, signing_passphrase_question(), plain=without_passphrase)
    typer.echo(public.text)
    typer.echo(f"kept the key in {out}, its public half in {public_path(out)}", err=True)
