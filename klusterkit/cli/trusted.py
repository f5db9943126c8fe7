"""Whose bundles a command takes: those of keys that it is given, or else of keys that the state file pins."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.options import Common

if TYPE_CHECKING:
    from klusterkit.bundle.minisign import PublicKey
    from klusterkit.session import Session

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


@contextmanager
def pinning(common: Common) -> Generator[Session | None]:
    """A session of the state file if that pins keys; None where it doesn't, or where there is none.

    One that ``--state`` names has to be there.
    """
    from klusterkit.session import Session

    settings = common.settings()
    if common.state is None and not settings.state.exists():
        yield None
        return
    with Session.open(settings) as session:
        yield session if session.snapshot.bundle_keys else None


def say_unchecked(common: Common, what: str) -> None:
    """Say that nobody vouches for something, and how it can be seen who does."""
    from klusterkit.cli.notices import say

    say(f"{what}: {common.settings().state} pins no key. Name the signer's public one: --key KEY", common)
