"""See that a bundle is whole, and signed by somebody trusted.

It needs no network. The keys are those that --key names (by a file, or by its line of base64), or else those that the
state file pins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE")],
    common: Common,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="KEY", help="Public key that is trusted; several: once each")
    ] = None,
) -> None:
    """Verify it."""
    from klusterkit.session import Session
    from klusterkit.session.bundles import verified
    from klusterkit.session.trust import public_key

    if key:
        manifest = verified(file, [public_key(text) for text in key])
    else:
        with Session.open(common.settings()) as session:
            manifest = session.verify_bundle(file)
    typer.echo(f"it is whole and signed: the bundle {manifest.summary}")
