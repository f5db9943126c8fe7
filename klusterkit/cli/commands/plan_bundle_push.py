"""Show what bringing a bundle to machines would do.

The bundle is verified, and the machines are looked at and not changed. A plan that was saved with --out is done,
exactly, by `cctl apply`.
"""

from __future__ import annotations

from klusterkit.cli.options import Common
from klusterkit.cli.planned import PlanOptions, show
from klusterkit.cli.pushing import Push


def run(push: Push, common: Common, options: PlanOptions) -> int:
    """Plan, look, show, save."""
    wanted = push.wanted()
    return show(
        common,
        common.settings(),
        "bundle push",
        lambda session, onlooker: session.plan_bundle_push(onlooker, **wanted),
        options,
    )
