"""Make machines part of the cluster: install them, join them, see that it works.

It is planned first, and asked about. What `cctl plan create machine` shows is what this does.
"""

from __future__ import annotations

from klusterkit.cli.machine import NEXT_STEP, MachineOptions
from klusterkit.cli.options import Common
from klusterkit.cli.planned import do


def run(machine: MachineOptions, common: Common) -> int:
    """Plan, ask, apply."""
    wanted = machine.wanted()
    return do(
        common,
        machine.settings(common),
        "create machine",
        lambda session, onlooker: session.plan_create_machine(onlooker, **wanted),
        NEXT_STEP,
    )
