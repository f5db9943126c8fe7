"""Take this host out of its cluster, and make it what it was before it was a node.

Its pods leave first, as far as a master that stays can be asked. A member of etcd on the host goes on: `etcdadm reset`
takes that back, afterwards.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.durations import seconds
from klusterkit.cli.tools.options import Looking, OnHost, plan_and_do


def run(
    looking: Looking,
    common: OnHost,
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
    drain_timeout: Annotated[
        str, typer.Option("--drain-timeout", metavar="TIME", help="For all pods; 0 sets no limit", show_default=True)
    ] = "5m",
    drain_force: Annotated[
        bool, typer.Option("--drain-force", help="Delete pods, too, that nothing makes anew elsewhere")
    ] = False,
    drain_delete_local_data: Annotated[
        bool, typer.Option("--drain-delete-local-data", help="Delete pods, too, that keep data in an emptyDir")
    ] = False,
    skip_drain: Annotated[bool, typer.Option("--skip-drain", help="Let pods end with their host")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also if the host belongs to a cluster that cctl looks after elsewhere")
    ] = False,
) -> int:
    """Plan, ask, apply."""
    within = seconds("--drain-timeout", drain_timeout) or None
    wanted = {
        "through": through,
        "alone": skip_remove_node,
        "confirm": confirm,
        "force": force,
        "drain": {
            "skip": skip_drain,
            "within": within,
            "force": drain_force,
            "local_data": drain_delete_local_data,
        },
    }
    return plan_and_do(common, looking, "nodeadm reset", lambda session, _: session.plan_node_reset(**wanted))
