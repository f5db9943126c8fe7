"""Put the images of a bundle into a private registry, so that clusters can run from it.

Each gets its place below a folder of its official registry's name, as `cctl create cluster --registry` expects. Only a
bundle that is whole and signed by somebody trusted is used; what the registry has already isn't sent again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common
from klusterkit.cli.registry import RegistryOptions
from klusterkit.cli.trusted import TrustedKeys, trusted_keys


def run(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE")],
    common: Common,
    registry: RegistryOptions,
    key: TrustedKeys = None,
) -> None:
    """Publish them."""
    from klusterkit.report.screen import aside
    from klusterkit.session.supply.bundles import publish_images

    access = registry.access
    if access is None:
        raise typer.BadParameter("name the registry: --registry HOST[:PORT][/PREFIX]")
    screen = aside(color=common.color)
    count = publish_images(
        common.settings(), file, trusted_keys(common, key), access, lambda name: screen.print(f"published {name}")
    )
    typer.echo(f"{access.place} has the {count} images of {file}")
