"""Keep the SSH login for all machines in the state file.

The private key is kept encrypted; no host is touched. Without a state file, this makes one.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common, Output


def run(
    common: Common,
    private_key: Annotated[Path, typer.Option("--private-key", metavar="FILE", help="Private key, OpenSSH or PEM")],
    user: Annotated[
        str, typer.Option("--user", metavar="USER", help="Whom to log in as: root, or one with sudo", show_default=True)
    ] = "root",
    replace: Annotated[
        bool, typer.Option("--replace", help="Put this one in the place of the one that is there", show_default=False)
    ] = False,
) -> None:
    """Keep the credential."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.cli.structured import write
    from klusterkit.cli.terminal import key_passphrase_question
    from klusterkit.session import Session

    form = common.show_as(Output.JSON, Output.YAML, Output.NAME)
    check = partial(Session.check_credential, user, private_key)
    with Session.open(common.settings(), write="create credential", create=True, first=check) as session:
        say_notices(session, common)
        session.create_credential(user, private_key, key_passphrase_question(), replace=replace)
        (made,), kept = session.objects("credential"), session.snapshot.credentials[0]
    if form is Output.TEXT:
        typer.echo(f"kept the credential of {user}, key {kept['fingerprint']}")
    elif form is Output.NAME:
        typer.echo(f"credential/{kept['name']}")
    else:
        write(made, form)
