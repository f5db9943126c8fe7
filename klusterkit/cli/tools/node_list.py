"""List the images that a node runs, master or not: what has to be in a registry that they come from."""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.options import Output
from klusterkit.cli.tools.node_download import Version
from klusterkit.cli.tools.options import OnHost


def run(
    common: OnHost,
    version: Version = None,
    images: Annotated[bool, typer.Option("--images", help="As always: there is nothing else to list")] = True,
) -> None:
    """Say them."""
    from klusterkit.cli.structured import write
    from klusterkit.session.host.downloads import node_images

    _ = images
    form, found = common.show_as(Output.JSON, Output.YAML), node_images(version)
    if form is Output.TEXT:
        typer.echo("\n".join(found))
    else:
        write({"images": found}, form)
