"""Go on with the run that was interrupted or failed.

Each task begins where it was left. What only you can know is asked, and answered with --adopt, --retry or --skip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli.options import Common, Output

if TYPE_CHECKING:
    from klusterkit.session.runs import Choice

Tasks = list[str] | None


def _answer(name: str, text: str) -> Any:
    return typer.Option(name, metavar="TASK", help=text)


def run(
    common: Common,
    adopt: Annotated[Tasks, _answer("--adopt", "It is as it should be; several: once each")] = None,
    retry: Annotated[Tasks, _answer("--retry", "Do it again")] = None,
    skip: Annotated[Tasks, _answer("--skip", "Go on without it")] = None,
) -> int:
    """Go on."""
    from klusterkit.cli.execute import execute
    from klusterkit.cli.notices import in_progress, say_notices
    from klusterkit.engine.journal import Direction, Settled
    from klusterkit.session import Session

    common.show_as(Output.JSON)
    decisions = _decisions(adopt, retry, skip)
    with Session.open(common.settings(), write="resume") as session:
        say_notices(session, common)
        journal = in_progress(session, common, "Going on with")
        settled = [task for task, state in journal.states.items() if state.status in Settled]
        return execute(
            common, session, journal.plan, lambda tell: session.resume(tell, decisions), Direction.FORWARD, settled
        )


def _decisions(adopt: Tasks, retry: Tasks, skip: Tasks) -> dict[str, Choice]:
    decisions: dict[str, Choice] = {}
    answers: tuple[tuple[Choice, Tasks], ...] = (("adopt", adopt), ("retry", retry), ("skip", skip))
    for choice, tasks in answers:
        for task in tasks or ():
            if decisions.setdefault(task, choice) != choice:
                raise typer.BadParameter(f"two answers for {task}: --{decisions[task]} and --{choice}")
    return decisions
