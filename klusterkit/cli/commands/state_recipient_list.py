"""List the age public keys that open the state file.

Where a passphrase opens it as well, or its secrets are in plain text, that is said on standard error.
"""

from __future__ import annotations

import typer

from klusterkit.cli.options import Common, Output


def run(common: Common) -> None:
    """Read, show."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.cli.structured import write
    from klusterkit.session import Session

    form = common.show_as(Output.JSON, Output.YAML)
    with Session.open(common.settings()) as session:
        say_notices(session, common)
        sealing = session.sealing
    if form is not Output.TEXT:
        write(sealing, form)
        return
    typer.echo("".join(f"{recipient}\n" for recipient in sealing["recipients"]), nl=False)
    if sealing["passphrase"]:
        typer.echo("a passphrase opens it, too", err=True)
