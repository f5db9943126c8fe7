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
    "delete": (
        "Take machines out of the cluster, or end it",
        {"machine": f"{_HERE}.delete_machine", "cluster": f"{_HERE}.delete_cluster"},
    ),
    "update": (
        "Give a cluster another account or authority of its registry",
        {"registry": f"{_HERE}.update_registry"},
    ),
    "plan": (
        "Show what an operation would do; save it for apply",
        {
            "create": ("Show what a creation would do", {"machine": f"{_HERE}.plan_create_machine"}),
            "delete": (
                "Show what a deletion would do",
                {"machine": f"{_HERE}.plan_delete_machine", "cluster": f"{_HERE}.plan_delete_cluster"},
            ),
            "update": ("Show what an update would do", {"registry": f"{_HERE}.plan_update_registry"}),
            "apply": f"{_HERE}.plan_apply",
            "deploy": f"{_HERE}.plan_deploy",
            "bundle": ("Show what a bundle's way to machines would do", {"push": f"{_HERE}.plan_bundle_push"}),
        },
    ),
    "apply": f"{_HERE}.apply",
    "deploy": f"{_HERE}.deploy",
    "resume": f"{_HERE}.resume",
    "rollback": f"{_HERE}.rollback",
    "unlock": f"{_HERE}.unlock",
    "preflight": f"{_HERE}.preflight",
    "status": f"{_HERE}.status",
    "get": f"{_HERE}.get",
    "kubeconfig": f"{_HERE}.kubeconfig",
    "ssh": f"{_HERE}.ssh",
    "bundle": (
        "All that clusters need, in one signed file",
        {
            "build": f"{_HERE}.bundle_build",
            "key": f"{_HERE}.bundle_key",
            "sign": f"{_HERE}.bundle_sign",
            "verify": f"{_HERE}.bundle_verify",
            "trust": f"{_HERE}.bundle_trust",
            "check": f"{_HERE}.bundle_check",
            "push": f"{_HERE}.bundle_push",
            "publish": f"{_HERE}.bundle_publish",
            "list": f"{_HERE}.bundle_list",
            "sbom": f"{_HERE}.bundle_sbom",
            "diff": f"{_HERE}.bundle_diff",
            "delta": f"{_HERE}.bundle_delta",
            "combine": f"{_HERE}.bundle_combine",
        },
    ),
    "history": f"{_HERE}.history",
    "state": (
        "Say who opens the state file, and which keys of hosts it pins",
        {
            "host-key": (
                "List, forget keys of hosts that the state file pins",
                {verb: f"{_HERE}.state_host_key_{verb}" for verb in ("list", "forget")},
            ),
            "recipient": (
                "List, add, remove keys that open the state file",
                {verb: f"{_HERE}.state_recipient_{verb}" for verb in ("list", "add", "remove")},
            ),
            "rekey": f"{_HERE}.state_rekey",
        },
    ),
    "completion": f"{_HERE}.completion",
    "version": f"{_HERE}.versions",
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
