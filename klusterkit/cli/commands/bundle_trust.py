"""Trust the bundles that a key signed.

The public key (its file, or its line of base64) is pinned in the state file. Several may be, so that a new key can take
over from an old one; --forget ends that. Bundles are used only if one of these keys signed them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    keys: Annotated[list[str], typer.Argument(metavar="KEY…")],
    common: Common,
    forget: Annotated[bool, typer.Option("--forget", help="Trust them no more")] = False,
) -> None:
    """Pin the keys."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    with Session.open(common.settings(), write="bundle trust", create=not forget) as session:
        say_notices(session, common)
        pinned = session.trust_bundle_keys(keys, forget=forget)
    typer.echo("".join(f"{key}\n" for key in pinned), nl=False)
    typer.echo(f"bundles signed by {'one of these' if pinned else 'nobody'} are used", err=True)
