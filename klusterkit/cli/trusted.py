"""Whose bundles a command takes: those of keys that it is given, or else of keys that the state file pins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.options import Common

if TYPE_CHECKING:
    from klusterkit.bundle.minisign import PublicKey

TrustedKeys = Annotated[
    list[str] | None, typer.Option("--key", metavar="KEY", help="Public key that is trusted; several: once each")
]


def trusted_keys(common: Common, given: Sequence[str] | None) -> list[PublicKey]:
    """The keys: of files, or lines of base64, or of the state file."""
    from klusterkit.session import Session
    from klusterkit.session.supply.trust import public_key

    if given:
        return [public_key(text) for text in given]
    with Session.open(common.settings()) as session:
        return session.bundle_keys
