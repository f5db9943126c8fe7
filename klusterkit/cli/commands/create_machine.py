"""Make machines part of the cluster: install them, join them, see that it works.

It is planned first, and asked about. What `cctl plan create machine` shows is what this does.
"""

from __future__ import annotations

import sys

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.machine import MachineOptions
from klusterkit.cli.options import Common, Output


def run(machine: MachineOptions, common: Common) -> int:
    """Plan, ask, apply."""
    from klusterkit.cli.execute import execute
    from klusterkit.cli.notices import called, say_notices
    from klusterkit.cli.terminal import confirmed, refuse_unasked
    from klusterkit.cli.unheard import perhaps_unheard
    from klusterkit.engine.journal import Direction
    from klusterkit.report.planview import show_plan, show_summary
    from klusterkit.report.preparing import Preparing
    from klusterkit.report.screen import aside
    from klusterkit.session import Session

    common.show_as(Output.JSON)
    refuse_unasked(yes=common.yes)
    screen = aside(color=common.color)
    with Session.open(machine.settings(common), write="create machine") as session:
        say_notices(session, common)
        with Preparing(screen) as onlooker:
            plan = session.plan_create_machine(onlooker, **machine.wanted())
        say_notices(session, common)
        (show_summary if common.yes else show_plan)(screen, plan)
        if not confirmed("Do it?", yes=common.yes):
            return ExitCode.ERROR
        code = execute(common, session, plan, lambda tell: session.start(plan, tell), Direction.FORWARD)
    if code == ExitCode.DONE:
        with perhaps_unheard(sys.stderr):
            screen.print(
                f"next: {called(common)} kubeconfig --out admin.conf; kubectl --kubeconfig admin.conf get nodes"
            )
    return code
