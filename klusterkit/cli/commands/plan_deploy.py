"""Show what deploying objects of your own would do.

The cluster is asked and not changed. A plan that was saved with --out is done, exactly, by `cctl apply`. It names the
values of Secrets, which are kept in the state file, sealed, until a run ends.
"""

from __future__ import annotations

from klusterkit.cli.deployment import Deployment
from klusterkit.cli.options import Common
from klusterkit.cli.planned import PlanOptions, show


def run(deployment: Deployment, common: Common, options: PlanOptions) -> int:
    """Plan, look, show, save."""
    wanted = deployment.wanted()
    return show(
        common,
        common.settings(),
        "deploy",
        lambda session, onlooker: session.plan_deploy(onlooker, **wanted),
        options,
    )
