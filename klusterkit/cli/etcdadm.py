"""``etcdadm``: one member of etcd, on its own host or over SSH."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from klusterkit.cli.guard import guarded
from klusterkit.cli.lazy import program
from klusterkit.cli.tools.options import take_common
from klusterkit.cli.tools.phases import as_options

if TYPE_CHECKING:
    from typer.core import TyperGroup

_HELP = """One member of etcd, on this host or, with --host, on another.

Every operation is a plan that you can read before it runs, stop anywhere, go on with, or take back.

Exit status: 0 done, 1 error, 3 usage or configuration, 4 locked, 5 host unreachable, 6 partly done and resumable,
7 needs a decision, 8 drift, 130 interrupted.
"""

_HERE = "klusterkit.cli.tools"

COMMANDS: dict[str, Any] = {
    "init": f"{_HERE}.etcd_init",
    "join": f"{_HERE}.etcd_join",
    "reset": f"{_HERE}.etcd_reset",
    "info": f"{_HERE}.etcd_info",
    "download": f"{_HERE}.etcd_download",
    "resume": f"{_HERE}.resume",
    "rollback": f"{_HERE}.rollback",
    "status": f"{_HERE}.status",
    "history": f"{_HERE}.history",
    "version": f"{_HERE}.version",
}
"""Each command, and the module that it is in."""


def etcdadm() -> TyperGroup:
    """The command line."""
    return program("etcdadm", _HELP, COMMANDS, take_common)


def main() -> None:
    """The program."""
    sys.exit(guarded(etcdadm(), as_options(sys.argv[1:])))
