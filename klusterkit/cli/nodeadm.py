"""``nodeadm``: one Kubernetes node, on its own host or over SSH."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from klusterkit.cli.guard import guarded
from klusterkit.cli.tools.program import tool

if TYPE_CHECKING:
    from typer.core import TyperGroup

_SUMMARY = "One Kubernetes node, on this host or, with --host, on another. Masters need an etcd there first: etcdadm."
_COMMANDS = {
    "init": "node_init",
    "join": "node_join",
    "reset": "node_reset",
    "download": "node_download",
    "list": "node_list",
}


def nodeadm() -> TyperGroup:
    """The command line."""
    return tool("nodeadm", _SUMMARY, _COMMANDS)


def main() -> None:
    """The program."""
    sys.exit(guarded(nodeadm(), sys.argv[1:]))
