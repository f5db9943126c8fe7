"""Show what another account or authority of the private registry would change.

The registry is asked, and hosts are looked at and not changed. A plan that was saved with --out is done, exactly, by
`cctl apply`. It names the account, which is kept in the state file, sealed.
"""

from __future__ import annotations

from klusterkit.cli.options import Common
from klusterkit.cli.planned import PlanOptions, show
from klusterkit.cli.registry import AccessOptions


def run(access: AccessOptions, common: Common, options: PlanOptions) -> int:
    """Prove, plan, look, show, save."""
    wanted = access.wanted()
    return show(
        common,
        common.settings(),
        "update registry",
        lambda session, onlooker: session.plan_registry_update(onlooker, **wanted),
        options,
    )
