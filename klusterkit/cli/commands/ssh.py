"""Log in to a machine, or run a command there.

It is the system's ssh, with the state's login and the host keys that the state pins: no key is left on this disk.
MACHINE is a name, an address, or a node's name. The exit status is that of ssh: the command's own, or 255.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.completing import machines
from klusterkit.cli.options import Common


def run(
    common: Common,
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="Where to", autocompletion=machines)],
    command: Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND…]", help="What to run [a shell]")] = None,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="Give the command a terminal, too")] = False,
) -> int:
    """Log in."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    with Session.open(common.settings()) as session:
        say_notices(session, common)
        return session.ssh(machine, command or (), tty=tty)
