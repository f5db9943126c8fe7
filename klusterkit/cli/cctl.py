"""``cctl``: whole clusters, from anywhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from klusterkit.cli.guard import guarded
from klusterkit.cli.lazy import program
from klusterkit.cli.options import Common

if TYPE_CHECKING:
    from typer.core import TyperGroup

_HELP = """Create, look after and take back Kubernetes clusters, over SSH.

Every operation is a plan that you can read before it runs, stop anywhere, go on with, or take back.

Exit status: 0 done, 1 error, 2 changes (--detailed-exitcode), 3 usage or configuration, 4 locked, 5 host unreachable,
6 partly done and resumable, 7 needs a decision, 8 drift, 130 interrupted.
"""

_HERE = "klusterkit.cli.commands"

COMMANDS: dict[str, Any] = {
    "create": (
        "Create a credential, a cluster, machines",
        {
            "credential": f"{_HERE}.create_credential",
            "cluster": f"{_HERE}.create_cluster",
            "machine": f"{_HERE}.create_machine",
        },
    ),
    "plan": (
        "Show what an operation would do; save it for apply",
        {"create": ("Show what a creation would do", {"machine": f"{_HERE}.plan_create_machine"})},
    ),
    "apply": f"{_HERE}.apply",
    "resume": f"{_HERE}.resume",
    "rollback": f"{_HERE}.rollback",
    "unlock": f"{_HERE}.unlock",
    "status": f"{_HERE}.status",
    "get": f"{_HERE}.get",
    "kubeconfig": f"{_HERE}.kubeconfig",
    "history": f"{_HERE}.history",
    "state": (
        "Say who opens the state file",
        {
            "recipient": (
                "List, add, remove keys that open the state file",
                {verb: f"{_HERE}.state_recipient_{verb}" for verb in ("list", "add", "remove")},
            ),
            "rekey": f"{_HERE}.state_rekey",
        },
    ),
    "version": f"{_HERE}.version",
}
"""Each command, or group of commands, and the module that it is in."""


def _root(context: typer.Context, common: Common) -> None:
    context.obj = common


def cctl() -> TyperGroup:
    """The command line."""
    return program("cctl", _HELP, COMMANDS, _root)


def main() -> None:
    """The program."""
    sys.exit(guarded(cctl(), sys.argv[1:]))
