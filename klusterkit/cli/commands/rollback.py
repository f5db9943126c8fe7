"""Take back the run in progress: hosts become what they were.

What a task changed is put back from what was kept on its host; the last is undone first. With --gone, nothing is put
back on a host that won't come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.options import Common, Output, Shared

if TYPE_CHECKING:
    from klusterkit.session import Session

Gone = Annotated[
    list[str] | None, typer.Option("--gone", metavar="HOST", help="It won't come back; several: once each")
]


def run(common: Common, gone: Gone = None) -> int:
    """Ask, go back."""
    from klusterkit.session import Session

    common.show_as(Output.JSON)
    with Session.open(common.settings(), write="rollback") as session:
        return go_back(session, common, gone)


def go_back(session: Session, common: Shared, gone: list[str] | None = None) -> int:
    """Take back a session's run in progress."""
    from klusterkit.cli.execute import execute
    from klusterkit.cli.notices import in_progress, say_notices
    from klusterkit.cli.terminal import confirmed
    from klusterkit.engine.journal import Direction, Status
    from klusterkit.report.words import several

    say_notices(session, common)
    journal = in_progress(session, common, "Taking back")
    lost = session.hosts_of_run(gone or ())
    still = [
        task.id
        for task in journal.plan.tasks
        if task.host in lost or journal[task.id].status in (Status.PENDING, Status.UNDONE)
    ]
    undoing = several(len(journal.plan.tasks) - len(still), "task")
    if not confirmed(f"Undo {undoing}?", yes=common.yes):
        return ExitCode.ERROR
    return execute(common, session, journal.plan, lambda tell: session.rollback(tell, lost), Direction.BACK, still)
