"""See that a bundle is whole, and signed by somebody trusted.

It needs no network. A key is named by its file, or by its line of base64.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE")],
    common: Common,
    key: Annotated[
        list[str], typer.Option("--key", metavar="KEY", help="Public key that is trusted; several: once each")
    ],
) -> None:
    """Verify it."""
    from klusterkit.session.bundles import public_key, verified

    _ = common
    manifest = verified(bundle, [public_key(text) for text in key])
    typer.echo(f"it is whole and signed: the bundle {manifest.summary}")
