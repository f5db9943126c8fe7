"""Give the cluster another account or authority of its private registry.

For the day when a password or a certificate is changed there. The registry is asked for the cluster's images with what
is new; then it is planned and asked about, and written on all machines and to the state. What isn't named stays.
"""

from __future__ import annotations

from klusterkit.cli.options import Common
from klusterkit.cli.planned import do
from klusterkit.cli.registry import AccessOptions


def run(access: AccessOptions, common: Common) -> int:
    """Prove, plan, ask, apply."""
    wanted = access.wanted()
    return do(
        common,
        common.settings(),
        "update registry",
        lambda session, onlooker: session.plan_registry_update(onlooker, **wanted),
    )
