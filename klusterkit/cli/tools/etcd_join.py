"""Add a member to an etcd cluster: a learner first, which votes as soon as it has the data.

The cluster's authority (ca.crt and ca.key) has to be in /etc/etcd/pki: copy it from a host that is a member.
"""

from __future__ import annotations

from typing import Annotated

import typer

from klusterkit.cli.tools.member import Fixed, MemberOptions
from klusterkit.cli.tools.options import Looking, OnHost, plan_and_do


def run(
    endpoint: Annotated[
        str, typer.Argument(metavar="ENDPOINT", help="Client URL of any member, such as https://10.0.0.5:2379")
    ],
    member: MemberOptions,
    fixed: Fixed,
    looking: Looking,
    common: OnHost,
) -> int:
    """Plan, ask, apply."""
    from klusterkit.plans.member import JOIN_PHASES

    fixed.refuse_others()
    member.refuse_unknown_phases(JOIN_PHASES)
    wanted = {**member.wanted(), "endpoint": endpoint}
    return plan_and_do(
        common, looking, "etcdadm join", lambda session, onlooker: session.plan_member(onlooker, **wanted)
    )
