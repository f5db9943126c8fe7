"""What all operations have in common: shown as plans, saved as plans, asked about and done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.options import Common, Output, Shared

if TYPE_CHECKING:
    from klusterkit.engine.executor import Outcome
    from klusterkit.engine.plan import Plan
    from klusterkit.session import Session
    from klusterkit.session.onlooker import Onlooker
    from klusterkit.session.settings import Settings


Compile = Callable[["Session", "Onlooker"], "Plan"]
"""Makes the plan of an operation; the onlooker is told what takes long."""


@dataclass(frozen=True)
class PlanOptions:
    """What becomes of a plan that is not done now."""

    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for cctl apply")] = None
    diff: Annotated[bool, typer.Option("--diff", help="Show what would change on each host, file by file")] = False
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 where something would change")
    ] = False


def show(common: Common, settings: Settings, words: str, compiled: Compile, options: PlanOptions) -> int:
    """Plan, look, show, save. Returns the exit status.

    Args:
        common: says how to show it.
        settings: as the session takes them.
        words: the operation, for the lock on the state file.
        compiled: makes the plan.
        options: what becomes of it.
    """
    from klusterkit.cli.notices import say_notices
    from klusterkit.outfile import is_standard_output, streams
    from klusterkit.report.preparing import Preparing
    from klusterkit.report.screen import aside
    from klusterkit.session import Session

    common.show_as(Output.WIDE, Output.JSON, Output.YAML, Output.NAME)
    with Session.open(settings, write=f"plan {words}") as session:
        say_notices(session, common)
        with Preparing(aside(color=common.color)) as onlooker:
            plan = compiled(session, onlooker)
        seen = session.look(plan) if options.diff or options.out or options.detailed_exitcode else None
        if options.out:
            plan = session.save_plan(plan, options.out.expanduser(), seen or {})
        say_notices(session, common)
    if not (options.out and is_standard_output(options.out)):
        present(common, plan, seen, diff=options.diff)
    if options.out and not streams(options.out.expanduser()):
        typer.echo(f"saved: `cctl apply {options.out}` does exactly this", err=True)
    return ExitCode.CHANGES if options.detailed_exitcode and _changes(plan, seen or {}) else ExitCode.DONE


def do(common: Common, settings: Settings, words: str, compiled: Compile, next_step: str = "") -> int:
    """Plan, ask, apply. Returns the exit status.

    Args:
        common: says how to show it.
        settings: as the session takes them.
        words: the operation, for the lock on the state file.
        compiled: makes the plan.
        next_step: what can be done when all has gone well, with ``{cctl}`` for the command.
    """
    from klusterkit.cli.notices import say_notices
    from klusterkit.cli.terminal import unasked
    from klusterkit.report.preparing import Preparing
    from klusterkit.report.screen import aside
    from klusterkit.session import Session

    common.show_as(Output.JSON)
    asking = settings.model_copy(update={"before_hosts": unasked(yes=common.yes)})
    with Session.open(asking, write=words) as session:
        say_notices(session, common)
        with Preparing(aside(color=common.color)) as onlooker:
            plan = compiled(session, onlooker)
        return carry_out(common, session, plan, next_step)


def carry_out(common: Shared, session: Session, plan: Plan, next_step: str = "") -> int:
    """Show a plan, ask, apply it. Returns the exit status."""
    from klusterkit.cli.execute import execute
    from klusterkit.cli.notices import say_notices
    from klusterkit.cli.terminal import confirmed
    from klusterkit.engine.journal import Direction
    from klusterkit.report.planview import show_plan, show_summary
    from klusterkit.report.screen import aside

    say_notices(session, common)
    screen = aside(color=common.color)
    (show_summary if common.yes or plan.empty else show_plan)(screen, plan)
    if plan.empty:
        return ExitCode.DONE
    if not confirmed("Do it?", yes=common.yes):
        return ExitCode.ERROR
    code = execute(common, session, plan, lambda tell: session.start(plan, tell), Direction.FORWARD)
    if code == ExitCode.DONE and next_step:
        say_next(common, next_step)
    return code


def say_next(common: Shared, step: str) -> None:
    """Tell what can be done now, with ``{cctl}`` for the command."""
    from klusterkit.cli.notices import called
    from klusterkit.cli.unheard import perhaps_unheard
    from klusterkit.report.screen import aside

    with perhaps_unheard(sys.stderr):
        aside(color=common.color).print(f"next: {step.format(cctl=called(common))}")


def present(common: Shared, plan: Plan, seen: Mapping[str, Outcome] | None, *, diff: bool) -> None:
    """Show a plan as the operator wants it."""
    from klusterkit.cli.structured import write
    from klusterkit.report.diffview import differences_of, show_differences
    from klusterkit.report.planview import show_plan, show_summary
    from klusterkit.report.screen import output

    screen = output(color=common.color)
    match common.output:
        case Output.YAML if not diff:
            typer.echo(plan.to_yaml(), nl=False)
        case Output.JSON | Output.YAML:
            differences = {"differences": differences_of(plan, seen)} if diff and seen is not None else {}
            write({**plan.spec(), "digest": plan.digest, **differences}, common.output)
        case Output.NAME:
            typer.echo("\n".join(plan.order))
        case _ if plan.empty:
            show_summary(screen, plan)
        case _ if diff and seen is not None:
            show_differences(screen, plan, seen)
            show_summary(screen, plan, seen)
        case _:
            show_plan(screen, plan, seen, wide=common.output is Output.WIDE)


def _changes(plan: Plan, seen: Mapping[str, Outcome]) -> bool:
    from klusterkit.report.planview import symbol

    return any(symbol(task, seen.get(task.id)) not in "=." for task in plan.tasks)
