"""Bring objects of your own to the cluster, and wait for them.

Manifests are applied as by `kubectl apply --server-side`, in the order in which objects need each other. It is planned
first, and asked about. Until it is done, `cctl rollback` takes it back: what is new is deleted, what was changed goes
back to what was there. Values of Secrets are in no plan and no log.
"""

from __future__ import annotations

from klusterkit.cli.deployment import Deployment
from klusterkit.cli.options import Common
from klusterkit.cli.planned import do


def run(deployment: Deployment, common: Common) -> int:
    """Plan, ask, apply, wait."""
    wanted = deployment.wanted()
    return do(common, common.settings(), "deploy", lambda session, onlooker: session.plan_deploy(onlooker, **wanted))
