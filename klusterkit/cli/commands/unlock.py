"""Free a host whose lock a dead connection holds.

It says who holds the lock, and asks. What was started on the host goes on; a run that is alive after all takes the lock
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.options import Common

if TYPE_CHECKING:
    from klusterkit.hosts import Holder


def run(
    common: Common,
    host: Annotated[str, typer.Option("--host", metavar="NAME", help="A machine's name, or any other's address")],
    port: Annotated[int, typer.Option("--port", min=1, max=65535, metavar="PORT", help="Of such another's sshd")] = 22,
) -> int:
    """Tell, ask, free."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.cli.terminal import confirmed, unasked
    from klusterkit.session import Session

    common.show_as()
    settings = common.settings().model_copy(update={"before_hosts": unasked(yes=common.yes)})
    asked: list[str] = []

    def agree(holder: Holder) -> bool:
        asked.append(str(holder))
        typer.echo(f"{host} is locked by {holder}", err=True)
        return confirmed("Has that ended, and shall the host be freed?", yes=common.yes)

    with Session.open(settings) as session:
        say_notices(session, common)
        freed = session.unlock(host, port, agree)
    if asked and freed is None:
        return ExitCode.ERROR
    typer.echo(f"{host} is free" if asked else f"{host} is not locked")
    return ExitCode.DONE
