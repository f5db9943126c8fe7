"""Let one more key open the state file.

It is an age public key, the line 'public key: age1…' of the identity file of somebody else, or of a copy kept offline.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(public_key: Annotated[str, typer.Argument(metavar="AGE1…", help="An age public key")], common: Common) -> None:
    """Add it."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    common.show_as()
    with Session.open(common.settings(), write="state recipient add") as session:
        say_notices(session, common)
        session.add_recipient(public_key)
    typer.echo(f"{public_key} opens the state file now")
