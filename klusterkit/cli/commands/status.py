"""Say how far the run is, and whether machines are in order.

Machines are looked at and not changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.options import Common, Output

if TYPE_CHECKING:
    from klusterkit.session.status import StatusReport


def run(common: Common) -> int:
    """Look, tell."""
    from klusterkit.cli.notices import called, say_notices
    from klusterkit.cli.structured import write
    from klusterkit.report.screen import output
    from klusterkit.report.statusview import show_components, show_run
    from klusterkit.session import Session

    form = common.show_as(Output.WIDE, Output.JSON, Output.YAML)
    with Session.open(common.settings()) as session:
        say_notices(session, common)
        status = session.status()
        journal = session.run
        say_notices(session, common)
    if form in (Output.JSON, Output.YAML):
        components = [{**each.model_dump(), "ok": each.ok} for each in status.components]
        write({**status.model_dump(mode="json", exclude_none=True), "components": components, "ok": status.ok}, form)
        return _exit_code(status)
    screen = output(color=common.color)
    screen.print(f"{status.cluster or 'no cluster yet'}{f', Kubernetes {status.version}' if status.version else ''}")
    if journal:
        show_run(screen, journal, called(common), wide=form is Output.WIDE)
    show_components(screen, status.components)
    return _exit_code(status)


def _exit_code(status: StatusReport) -> ExitCode:
    """An open run says most, then a machine that isn't there, then what isn't as it should be."""
    if status.run is not None:
        return ExitCode.DECISION if any(task.asked for task in status.run.tasks.values()) else ExitCode.RESUMABLE
    if any(component.name == "ssh" and not component.ok for component in status.components):
        return ExitCode.UNREACHABLE
    return ExitCode.DONE if status.ok else ExitCode.DRIFT
