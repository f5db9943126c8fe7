"""A run with somebody looking: the view that fits, Ctrl-C, the report, the exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.notices import called, say_notices
from klusterkit.cli.options import Output, Shared
from klusterkit.cli.signals import stopping
from klusterkit.cli.unheard import perhaps_unheard

if TYPE_CHECKING:
    from klusterkit.engine.events import Sink
    from klusterkit.engine.journal import Direction
    from klusterkit.engine.plan import Plan
    from klusterkit.engine.runner import Report
    from klusterkit.report.progress import Progress
    from klusterkit.report.watch import View
    from klusterkit.session import Session

_ENDINGS = {
    "done": ExitCode.DONE,
    "undone": ExitCode.DONE,
    "stopped": ExitCode.INTERRUPTED,
    "asked": ExitCode.DECISION,
    "failed": ExitCode.RESUMABLE,
}
"""Whatever a step failed of, a run that was begun can be gone on with."""


def execute(
    common: Shared,
    session: Session,
    plan: Plan,
    walk: Callable[[Sink], Report],
    direction: Direction,
    settled: Collection[str] = (),
) -> int:
    """Walk a run, show it, and say how it ended. Returns the exit status.

    Args:
        common: says how to show it.
        session: stopped by Ctrl-C.
        plan: what is run.
        walk: one of the session's ways to run it, given who is told.
        direction: which way it goes.
        settled: the tasks that need no walking this time.
    """
    from klusterkit.report.progress import Progress
    from klusterkit.report.watch import Watch

    began = time.monotonic()
    progress = Progress(plan, set(settled), direction)
    watch = Watch(lambda: _view(common, progress))
    with stopping(session.stop, session.stop_now, watch.anything, lambda: session.journaled) as ending:
        with watch:
            report = walk(watch.tell)
        code = ending.status = _ENDINGS[report.outcome]
        with perhaps_unheard(sys.stderr):
            say_notices(session, common)
        _show_report(common, plan, report, time.monotonic() - began, code)
    return code


def _view(common: Shared, progress: Progress) -> View:
    from klusterkit.report.screen import aside

    if common.output is Output.JSON:
        from klusterkit.report.jsonlines import JsonLines

        return JsonLines(sys.stdout)
    screen = aside(color=common.color)
    if screen.is_terminal and not screen.is_dumb_terminal and not common.debug:
        from klusterkit.report.live import LiveView

        return LiveView(screen, progress)
    from klusterkit.report.lines import Lines

    return Lines(screen, progress)


def _show_report(common: Shared, plan: Plan, report: Report, seconds: float, code: int) -> None:
    if common.output is Output.JSON:
        from klusterkit.report.jsonlines import report_data, write_line

        with perhaps_unheard(sys.stdout):
            write_line(sys.stdout, report_data(report, code))
        return
    from klusterkit.report.ending import show_end, show_failures
    from klusterkit.report.screen import aside, output

    with perhaps_unheard(sys.stderr):
        show_failures(aside(color=common.color), plan, report.states, report.errors)
    with perhaps_unheard(sys.stdout):
        show_end(output(color=common.color), plan, report, seconds, called(common))
