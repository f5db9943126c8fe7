"""Show what taking machines out of the cluster would do.

Hosts are looked at and not changed. A plan that was saved with --out is done, exactly, by `cctl apply`.
"""

from __future__ import annotations

from klusterkit.cli.deletion import Draining, EndOptions, LeavingMachines, plan_delete
from klusterkit.cli.options import Common
from klusterkit.cli.planned import PlanOptions


def run(machines: LeavingMachines, draining: Draining, end: EndOptions, common: Common, options: PlanOptions) -> int:
    """Plan, look, show, save."""
    return plan_delete(common, "delete machine", options, machines, draining, end)
