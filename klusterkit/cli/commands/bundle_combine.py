"""Make the newer bundle of an older one and a delta.

Everything is verified on its way. Whether the result is signed by somebody trusted, `cctl bundle verify` tells, and
every command that uses it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    old: Annotated[Path, typer.Argument(metavar="OLD")],
    delta: Annotated[Path, typer.Argument(metavar="DELTA")],
    common: Common,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The newer bundle")],
) -> None:
    """Combine them."""
    from klusterkit.bundle.bundle import Bundle
    from klusterkit.bundle.delta import combine
    from klusterkit.outfile import is_standard_output

    _ = common
    with Bundle.open(old.expanduser()) as before, Bundle.open(delta.expanduser(), delta=True) as change:
        combine(before, change, out.expanduser())
        typer.echo(f"{out}: the bundle {change.manifest.summary}", err=is_standard_output(out))
