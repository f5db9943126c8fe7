"""Let a key open the state file no longer.

Every secret is sealed anew. Whoever had the key may have read the secrets before, and copies of the file still open.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(public_key: Annotated[str, typer.Argument(metavar="AGE1…", help="An age public key")], common: Common) -> None:
    """Remove it."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    common.show_as()
    with Session.open(common.settings(), write="state recipient remove") as session:
        say_notices(session, common)
        session.remove_recipient(public_key)
    typer.echo(f"{public_key} opens the state file no longer")
