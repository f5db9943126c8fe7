"""Bring a bundle to machines, so that what is done there later has all at hand.

Only what a machine lacks is brought: once from here, and from there to the others, which serve each other. BUNDLE is
the one that --bundle or KLUSTERKIT_BUNDLE names, and the machines are all of the cluster, unless others are said; they
may be machines that will be created later.
"""

from __future__ import annotations

from klusterkit.cli.options import Common
from klusterkit.cli.planned import do
from klusterkit.cli.pushing import Push


def run(push: Push, common: Common) -> int:
    """Plan, ask, push."""
    wanted = push.wanted()
    return do(
        common,
        common.settings(),
        "bundle push",
        lambda session, onlooker: session.plan_bundle_push(onlooker, **wanted),
    )
