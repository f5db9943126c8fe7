"""See whether hosts can become machines of the cluster.

All checks of all hosts, as `cctl create machine` makes them before it does anything. Nothing is changed, on no host and
not in the state file. Exit status: 0 all are fit, 3 one isn't, 5 one can't be reached.
"""

from __future__ import annotations

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.machine import MachineChoice
from klusterkit.cli.options import Common, Output


def run(machine: MachineChoice, common: Common) -> int:
    """Look, tell."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.report.preflightview import show_examined
    from klusterkit.report.screen import output
    from klusterkit.session import Session

    form = common.show_as(Output.JSON, Output.YAML)
    with Session.open(machine.settings(common)) as session:
        say_notices(session, common)
        hosts = session.preflight(machine.machines())
    if form is Output.TEXT:
        show_examined(output(color=common.color), hosts)
    else:
        from klusterkit.cli.structured import write

        write([host.model_dump(mode="json") for host in hosts], form)
    if all(host.fit for host in hosts):
        return ExitCode.DONE
    return ExitCode.USAGE if all(host.reached for host in hosts) else ExitCode.UNREACHABLE
