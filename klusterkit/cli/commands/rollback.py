"""Take back the run in progress: hosts become what they were.

What a task changed is put back from what was kept on its host; the last is undone first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.options import Common, Output, Shared

if TYPE_CHECKING:
    from klusterkit.session import Session


def run(common: Common) -> int:
    """Ask, go back."""
    from klusterkit.cli.terminal import refuse_unasked
    from klusterkit.session import Session

    common.show_as(Output.JSON)
    refuse_unasked(yes=common.yes)
    with Session.open(common.settings(), write="rollback") as session:
        return go_back(session, common)


def go_back(session: Session, common: Shared) -> int:
    """Take back a session's run in progress."""
    from klusterkit.cli.execute import execute
    from klusterkit.cli.notices import in_progress, say_notices
    from klusterkit.cli.terminal import confirmed
    from klusterkit.engine.journal import Direction, Status
    from klusterkit.report.words import several

    say_notices(session, common)
    journal = in_progress(session, common, "Taking back")
    still = [task for task, state in journal.states.items() if state.status in (Status.PENDING, Status.UNDONE)]
    undoing = several(len(journal.plan.tasks) - len(still), "task")
    if not confirmed(f"Undo {undoing}?", yes=common.yes):
        return ExitCode.ERROR
    return execute(common, session, journal.plan, session.rollback, Direction.BACK, still)
