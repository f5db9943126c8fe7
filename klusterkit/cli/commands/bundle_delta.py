"""Write a small file that turns an older bundle into a newer one.

It holds what the older one lacks. `cctl bundle combine` puts the two together where the older one is; what comes out is
the newer bundle, byte for byte, with its signature.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    old: Annotated[Path, typer.Argument(metavar="OLD")],
    new: Annotated[Path, typer.Argument(metavar="NEW")],
    common: Common,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The delta")],
) -> None:
    """Write it."""
    from klusterkit.bundle.bundle import Bundle
    from klusterkit.bundle.delta import make
    from klusterkit.outfile import is_standard_output
    from klusterkit.report.bundleview import megabytes

    _ = common
    with Bundle.open(old.expanduser()) as before, Bundle.open(new.expanduser()) as after:
        size = make(before, after, out.expanduser())
        typer.echo(f"{out}: {megabytes(size)}, for a bundle of {megabytes(after.size)}", err=is_standard_output(out))
