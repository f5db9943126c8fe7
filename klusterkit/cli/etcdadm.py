"""``etcdadm``: one member of etcd, on its own host or over SSH."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from klusterkit.cli.guard import guarded
from klusterkit.cli.tools.phases import as_options
from klusterkit.cli.tools.program import tool

if TYPE_CHECKING:
    from typer.core import TyperGroup

_SUMMARY = "One member of etcd, on this host or, with --host, on another."
_COMMANDS = {
    "init": "etcd_init",
    "join": "etcd_join",
    "reset": "etcd_reset",
    "info": "etcd_info",
    "download": "etcd_download",
}


def etcdadm() -> TyperGroup:
    """The command line."""
    return tool("etcdadm", _SUMMARY, _COMMANDS)


def main() -> None:
    """The program."""
    sys.exit(guarded(etcdadm(), as_options(sys.argv[1:])))
