"""Show what is in a bundle.

It is what the bundle says of itself; whether that is true, `cctl bundle verify` tells.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common, Output


def run(file: Annotated[Path, typer.Argument(metavar="BUNDLE")], common: Common) -> None:
    """Show it."""
    from klusterkit.bundle.bundle import Bundle
    from klusterkit.cli.structured import write
    from klusterkit.report.bundleview import entries, summary
    from klusterkit.report.screen import aside, output

    form = common.show_as(Output.WIDE, Output.JSON, Output.YAML, Output.NAME)
    with Bundle.open(file.expanduser()) as opened:
        manifest, size = opened.manifest, opened.size
    match form:
        case Output.JSON | Output.YAML:
            write(manifest.model_dump(mode="json", by_alias=True), form)
        case Output.NAME:
            typer.echo("".join(f"{entry.path}\n" for entry in manifest.entries), nl=False)
        case _:
            summary(aside(color=common.color), manifest, size)
            output(color=common.color).print(entries(manifest, wide=form is Output.WIDE))
