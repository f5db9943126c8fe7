"""Make the host what it was before it was made a member or a node.

A member of etcd leaves its cluster first; its data, all Secrets of a cluster on it included, are set aside in
/var/lib/klusterkit/set-aside: at the end it is told where, and how to remove them. All else that was done here is taken
back, from what was kept here when it was done.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.tools.member import Fixed
from klusterkit.cli.tools.options import Looking, OnHost, plan_and_do


def run(
    fixed: Fixed,
    looking: Looking,
    common: OnHost,
    skip_remove_member: Annotated[
        bool,
        typer.Option("--skip-remove-member", help="Don't ask the other members: they are gone, or have no quorum"),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also if the host belongs to a cluster that cctl looks after elsewhere")
    ] = False,
) -> int:
    """Plan, ask, apply."""
    fixed.refuse_others()
    wanted = {"leave": not skip_remove_member, "force": force}
    return plan_and_do(common, looking, "etcdadm reset", lambda session, _: session.plan_member_reset(**wanted))
