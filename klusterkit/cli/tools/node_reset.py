"""Take this host out of its cluster, and make it what it was before it was a node.

Its pods leave first, as far as a master that stays can be asked. A member of etcd on the host goes on: `etcdadm reset`
takes that back, afterwards.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.deletion import PodsLeave
from klusterkit.cli.tools.options import Looking, OnHost, plan_and_do


def run(
    looking: Looking,
    common: OnHost,
    pods: PodsLeave,
    through: Annotated[
        str | None,
        typer.Option("--through", metavar="[USER@]MASTER[:PORT]", help="A master that stays [the one of the join]"),
    ] = None,
    skip_remove_node: Annotated[
        bool,
        typer.Option("--skip-remove-node", help="Ask no master: the cluster is gone, or will forget the node later"),
    ] = False,
    confirm: Annotated[
        str | None, typer.Option("--confirm", metavar="CLUSTER", help="The cluster's name, where its only master goes")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also if the host belongs to a cluster that cctl looks after elsewhere")
    ] = False,
) -> int:
    """Plan, ask, apply."""
    wanted = {"through": through, "alone": skip_remove_node, "confirm": confirm, "force": force, **pods.wanted()}
    return plan_and_do(common, looking, "nodeadm reset", lambda session, _: session.plan_node_reset(**wanted))
