"""Seal every secret anew, under a new data key.

Your identity opens it, or with --passphrase a new passphrase, and all recipients that there are. A state file in plain
text is encrypted by this.
"""

from __future__ import annotations

import typer

from klusterkit.cli.options import Common


def run(common: Common) -> None:
    """Seal."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    common.show_as()
    with Session.open(common.settings(), write="state rekey") as session:
        say_notices(session, common)
        session.rekey()
        say_notices(session, common)
        count = len(session.snapshot.secrets)
    typer.echo(f"sealed {count} secrets anew")
