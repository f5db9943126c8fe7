"""Write a bundle's bill of materials, CycloneDX 1.6 in JSON, to standard output.

It is the one that the bundle carries and its signature covers, checked by CycloneDX's own schema.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(file: Annotated[Path, typer.Argument(metavar="BUNDLE")], common: Common) -> None:
    """Write it."""
    from klusterkit.bundle.bundle import Bundle
    from klusterkit.bundle.sbom import validate

    _ = common
    with Bundle.open(file.expanduser()) as opened:
        validate(opened.sbom)
        typer.echo(opened.sbom.decode(), nl=False)
