"""Sign a bundle.

With --key, by a key of `cctl bundle key` or `minisign -G`. With --signature, one is put in that was made where the key
is: `tar -xf BUNDLE manifest.json; minisign -S -m manifest.json`. What was signed before is signed anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE")],
    common: Common,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The key")] = None,
    signature: Annotated[Path | None, typer.Option("--signature", metavar="FILE", help="A signature, made")] = None,
) -> None:
    """Sign it."""
    from klusterkit.cli.terminal import signing_passphrase_question
    from klusterkit.session.supply.bundles import load_signing_key, sign_bundle

    _ = common
    if (key is None) == (signature is None):
        raise typer.BadParameter("say either --key or --signature")
    signing = load_signing_key(key, signing_passphrase_question()) if key else None
    manifest = sign_bundle(file, signing, signature)
    typer.echo(f"signed the bundle {manifest.summary}")
