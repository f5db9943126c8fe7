"""Say how far the run is, and whether machines are in order.

Machines are looked at and not changed. It takes 15 seconds at most for each of three rounds, whatever is down.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.options import Common, Output

if TYPE_CHECKING:
    from rich.text import Text

    from klusterkit.session import Session
    from klusterkit.session.status import RunState, StatusReport


def run(
    common: Common,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="Between two looks", show_default=True)
    ] = 5.0,
) -> int:
    """Look, tell."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    form = common.show_as(Output.WIDE, Output.JSON, Output.YAML)
    if watch and form is Output.YAML:
        raise typer.BadParameter("--watch has no -o yaml: json gives one line a look")
    with Session.open(common.settings()) as session:
        say_notices(session, common)
        return _watch(common, session, interval) if watch else _once(common, session, form)


def _once(common: Common, session: Session, form: Output) -> int:
    from klusterkit.cli.notices import called, say_notices
    from klusterkit.report.screen import output
    from klusterkit.report.statusview import picture, show_run

    status, journal = session.status(), session.run
    say_notices(session, common)
    if form in (Output.JSON, Output.YAML):
        from klusterkit.cli.structured import write

        write(_data(status), form)
        return _exit_code(status)
    screen = output(color=common.color)
    wide = form is Output.WIDE
    if journal:
        show_run(screen, journal, called(common), wide=wide)
    screen.print(picture(status, wide=wide))
    return _exit_code(status)


def _watch(common: Common, session: Session, interval: float) -> int:
    from klusterkit.cli.signals import Interrupted
    from klusterkit.report.jsonlines import write_line
    from klusterkit.report.screen import output
    from klusterkit.report.statuswatch import Changes, Redrawn

    screen = output(color=common.color)
    drawn = screen.is_terminal and not screen.is_dumb_terminal
    view = Redrawn(screen, interval) if drawn and common.output is not Output.JSON else Changes(screen)
    try:
        for status in session.looks(interval):
            if common.output is Output.JSON:
                write_line(sys.stdout, _data(status))
            else:
                view.show(status, _run_line(status.run))
    except Interrupted:
        return ExitCode.INTERRUPTED
    finally:
        view.close()
    return ExitCode.DONE


def _run_line(run: RunState | None) -> Text | None:
    from klusterkit.report.statusview import run_line

    return run_line(run.operation, run.direction, run.began, run.who, run.tasks) if run else None


def _data(status: StatusReport) -> dict[str, Any]:
    return status.model_dump(mode="json", exclude_none=True)


def _exit_code(status: StatusReport) -> ExitCode:
    """An open run says most, then a machine that isn't there, then what isn't as it should be."""
    if status.run is not None:
        return ExitCode.DECISION if status.run.asks else ExitCode.RESUMABLE
    if status.unreachable:
        return ExitCode.UNREACHABLE
    return ExitCode.DONE if status.ok else ExitCode.DRIFT
