"""See that a bundle is whole, and signed by somebody trusted.

It needs no network. The keys are those that --key names (by a file, or by its line of base64), or else those that the
state file pins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common
from klusterkit.cli.trusted import TrustedKeys, trusted_keys


def run(file: Annotated[Path, typer.Argument(metavar="BUNDLE")], common: Common, key: TrustedKeys = None) -> None:
    """Verify it."""
    from klusterkit.session.supply.bundles import verified

    typer.echo(f"it is whole and signed: the bundle {verified(file, trusted_keys(common, key)).summary}")
