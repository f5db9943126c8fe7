"""Show what making machines part of the cluster would do.

Hosts are looked at and not changed. A plan that was saved with --out is done, exactly, by `cctl apply`.
"""

from __future__ import annotations

from klusterkit.cli.machine import MachineOptions
from klusterkit.cli.options import Common
from klusterkit.cli.planned import PlanOptions, show


def run(machine: MachineOptions, common: Common, options: PlanOptions) -> int:
    """Plan, look, show, save."""
    wanted = machine.wanted()
    return show(
        common,
        machine.settings(common),
        "create machine",
        lambda session, onlooker: session.plan_create_machine(onlooker, **wanted),
        options,
    )
