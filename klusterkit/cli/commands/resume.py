"""Go on with the run that was interrupted or failed.

Each task begins where it was left. What only you can know is asked, and answered with --adopt, --retry or --skip. With
--gone, nothing more is done on a host that won't come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli.commands.rollback import Gone
from klusterkit.cli.completing import open_tasks
from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.machine import NEXT_STEP
from klusterkit.cli.options import Common, Output, Shared
from klusterkit.cli.planned import say_next

if TYPE_CHECKING:
    from klusterkit.session import Session
    from klusterkit.session.running.runs import Choice

Tasks = list[str] | None


def _answer(name: str, text: str) -> Any:
    return typer.Option(name, metavar="TASK", help=text, autocompletion=open_tasks)


Adopt = Annotated[Tasks, _answer("--adopt", "It is as it should be; several: once each")]
Retry = Annotated[Tasks, _answer("--retry", "Do it again")]
Skip = Annotated[Tasks, _answer("--skip", "Go on without it")]


def run(
    common: Common,
    adopt: Adopt = None,
    retry: Retry = None,
    skip: Skip = None,
    gone: Gone = None,
) -> int:
    """Go on."""
    from klusterkit.session import Session

    answers = decisions(adopt, retry, skip)
    with Session.open(common.settings(), write="resume") as session:
        return go_on(session, common, answers, gone, NEXT_STEP)


def go_on(
    session: Session, common: Shared, answers: dict[str, Choice], gone: list[str] | None = None, next_step: str = ""
) -> int:
    """Go on with a session's run in progress; where that has made machines, tell the next step."""
    from klusterkit.cli.execute import execute
    from klusterkit.cli.notices import in_progress, say_notices
    from klusterkit.engine.journal import Direction, Settled

    common.show_as(Output.JSON)
    say_notices(session, common)
    journal = in_progress(session, common, "Going on with")
    lost = session.hosts_of_run(gone or ())
    settled = [task.id for task in journal.plan.tasks if task.host in lost or journal[task.id].status in Settled]
    code = execute(
        common, session, journal.plan, lambda tell: session.resume(tell, answers, lost), Direction.FORWARD, settled
    )
    if code == ExitCode.DONE and next_step and journal.plan.outcome.get("machines"):
        say_next(common, next_step)
    return code


def decisions(adopt: Tasks, retry: Tasks, skip: Tasks) -> dict[str, Choice]:
    """The operator's answers by task. Raises ``typer.BadParameter`` for two different ones."""
    found: dict[str, Choice] = {}
    answers: tuple[tuple[Choice, Tasks], ...] = (("adopt", adopt), ("retry", retry), ("skip", skip))
    for choice, tasks in answers:
        for task in tasks or ():
            if found.setdefault(task, choice) != choice:
                raise typer.BadParameter(f"two answers for {task}: --{found[task]} and --{choice}")
    return found
