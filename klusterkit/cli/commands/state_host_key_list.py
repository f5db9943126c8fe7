"""List the keys of hosts that the state file pins.

A line is a host (its address, or [ADDRESS]:PORT), the type of its key, and the key's fingerprint as ssh-keygen -l
prints it.
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
        keys = session.host_keys
    if form is not Output.TEXT:
        write(keys, form)
        return
    typer.echo("".join(f"{key['host']} {key['type']} {key['fingerprint']}\n" for key in keys), nl=False)
