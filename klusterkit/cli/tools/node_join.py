"""Make this host a node of the cluster that a master belongs to, or one more master of it.

The master is reached over SSH. It tells what the cluster is, and its authorities issue what the host is known by: their
keys stay where they are. One more master needs an etcd of its own first (`etcdadm join`), and a virtual address.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from klusterkit.cli.machine import Role
from klusterkit.cli.tools.node import NodeOptions
from klusterkit.cli.tools.options import Looking, OnHost, plan_and_do


def run(
    node: NodeOptions,
    looking: Looking,
    common: OnHost,
    master: Annotated[
        str | None, typer.Argument(metavar="[USER@]MASTER[:PORT]", help="Address of a master", show_default=False)
    ] = None,
    role: Annotated[
        Role, typer.Option("--role", metavar="ROLE", case_sensitive=False, help="node (or worker), or master")
    ] = Role.NODE,
) -> int:
    """Plan, ask, apply."""
    given = node.configuration("join")
    asked = master or given.master
    if asked is None:
        raise typer.BadParameter("name a master of the cluster: nodeadm join [USER@]ADDRESS")
    wanted: dict[str, Any] = {
        "master": asked,
        "role": str(role),
        "cluster": None,
        "node": {**given.node, **node.wanted()},
    }
    return plan_and_do(common, looking, "nodeadm join", lambda session, told: session.plan_node(told, **wanted))
