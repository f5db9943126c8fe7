"""Show what two bundles differ in: `~` another version or content, `+` new, `-` gone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common, Output


def run(
    old: Annotated[Path, typer.Argument(metavar="OLD")],
    new: Annotated[Path, typer.Argument(metavar="NEW")],
    common: Common,
) -> None:
    """Compare them."""
    from klusterkit.bundle.bundle import Bundle
    from klusterkit.bundle.delta import changes
    from klusterkit.cli.structured import write
    from klusterkit.report.bundleview import differences, summary
    from klusterkit.report.screen import aside, output

    form = common.show_as(Output.JSON, Output.YAML)
    with Bundle.open(old.expanduser()) as before, Bundle.open(new.expanduser()) as after:
        found = list(changes(before.manifest, after.manifest))
        for bundle in (before, after):
            summary(aside(color=common.color), bundle.manifest, bundle.size)
    if form is Output.TEXT:
        output(color=common.color).print(differences(found))
        return
    sides = ({"old": change.old, "new": change.new} for change in found)
    write([{name: side.model_dump(mode="json") for name, side in both.items() if side} for both in sides], form)
