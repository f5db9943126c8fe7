"""Make a new etcd cluster of this one member, or of what a snapshot holds.

Without an authority in /etc/etcd/pki (ca.crt and ca.key), one is made there; it is what other members are joined by.
Data that is there is never overwritten.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.tools.member import Fixed, MemberOptions
from klusterkit.cli.tools.options import Looking, OnHost, plan_and_do


def run(
    member: MemberOptions,
    fixed: Fixed,
    looking: Looking,
    common: OnHost,
    snapshot: Annotated[
        Path | None, typer.Option("--snapshot", metavar="FILE", help="Start with what etcd held when this was saved")
    ] = None,
    skip_hash_check: Annotated[
        bool, typer.Option("--skip-hash-check", help="The snapshot was copied from a data folder: it has no hash")
    ] = False,
) -> int:
    """Plan, ask, apply."""
    from klusterkit.plans.member import INIT_PHASES

    fixed.refuse_others()
    member.refuse_unknown_phases(INIT_PHASES)
    wanted = {**member.wanted(), "snapshot": snapshot and snapshot.expanduser(), "skip_hash_check": skip_hash_check}
    return plan_and_do(
        common,
        looking,
        "etcdadm init",
        lambda session, onlooker: session.plan_member(onlooker, **wanted),
        "" if member.phase else _NEXT,
    )


_NEXT = """\
To add a member: copy the authority to its host, then join there:
  rsync -avR /etc/etcd/pki/ca.crt /etc/etcd/pki/ca.key root@HOST:/
  etcdadm join https://ADDRESS-OF-THIS-HOST:2379"""
