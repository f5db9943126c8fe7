"""Say how far the run on this host is."""

from __future__ import annotations

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.options import Output
from klusterkit.cli.tools.options import OnHost


def run(common: OnHost) -> int:
    """Look at the journal, tell."""
    from klusterkit.cli.structured import write
    from klusterkit.report.screen import output
    from klusterkit.report.statusview import show_run

    form = common.show_as(Output.WIDE, Output.JSON, Output.YAML)
    with common.session() as session:
        journal = session.run
    if form in (Output.JSON, Output.YAML):
        states = {task: str(state.status) for task, state in journal.states.items()} if journal else {}
        write({"run": journal.run if journal else None, "tasks": states}, form)
    elif journal is None:
        output(color=common.color).print("no run is in progress")
    else:
        show_run(output(color=common.color), journal, common.called, wide=form is Output.WIDE)
    if journal is None:
        return ExitCode.DONE
    return ExitCode.DECISION if any(state.asked for state in journal.states.values()) else ExitCode.RESUMABLE
