"""Pin the keys of a host no more: it was installed anew, and has others now.

The next command that meets the host shows its key as one that isn't known. Be sure that it was installed anew: a key
that changes by itself can be somebody who stands in between.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    host: Annotated[str, typer.Argument(metavar="HOST", help="A machine or an address, as the list has it")],
    common: Common,
) -> None:
    """Forget them."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    common.show_as()
    with Session.open(common.settings(), write="state host-key forget") as session:
        say_notices(session, common)
        for key in session.forget_host_keys(host):
            typer.echo(f"{key['type']} {key['fingerprint']} isn't known as a key of {key['host']} any more")
