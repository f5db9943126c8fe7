"""Sign a bundle.

With --key, by a key of `cctl bundle key` or `minisign -G`. With --signature, one is put in that was made where the key
is: `tar -xf BUNDLE manifest.json; minisign -S -m manifest.json`. It has to be of this bundle, by the public key that
--key names then, or else by one that the state file pins; where there is neither, that is said. What was signed before
is signed anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.options import Common
from klusterkit.cli.trusted import pinning, say_unchecked, trusted_keys

if TYPE_CHECKING:
    from klusterkit.bundle.manifest import Manifest


def run(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE")],
    common: Common,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="The key's file; with --signature, its public half")
    ] = None,
    signature: Annotated[Path | None, typer.Option("--signature", metavar="FILE", help="A signature, made")] = None,
) -> None:
    """Sign it."""
    from klusterkit.cli.terminal import signing_passphrase_question
    from klusterkit.session.supply.bundles import load_signing_key, sign_bundle

    if signature:
        manifest = _put(common, file, signature, key)
    elif key:
        manifest = sign_bundle(file, load_signing_key(Path(key), signing_passphrase_question()))
    else:
        raise typer.BadParameter("say --key or --signature")
    typer.echo(f"signed the bundle {manifest.summary}")


def _put(common: Common, file: Path, signature: Path, key: str | None) -> Manifest:
    from klusterkit.session.supply.bundles import put_signature

    if key:
        return put_signature(file, signature, trusted_keys(common, [key]))
    with pinning(common) as session:
        keys = session.bundle_keys if session else None
    manifest = put_signature(file, signature, keys)
    if keys is None:
        say_unchecked(common, f"{signature} has the form of a signature; whether it is one of {file} was not checked")
    return manifest
