"""Show what making machines part of the cluster would do.

Hosts are looked at and not changed. A plan that was saved with --out is done, exactly, by `cctl apply`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.machine import MachineOptions
from klusterkit.cli.options import Common, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klusterkit.engine.executor import Outcome
    from klusterkit.engine.plan import Plan


def run(
    machine: MachineOptions,
    common: Common,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for cctl apply")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would change on each host, file by file")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 where something would change")
    ] = False,
) -> int:
    """Plan, look, show, save."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.report.preparing import Preparing
    from klusterkit.report.screen import aside
    from klusterkit.session import Session

    common.show_as(Output.WIDE, Output.JSON, Output.YAML, Output.NAME)
    with Session.open(machine.settings(common), write="plan create machine") as session:
        say_notices(session, common)
        with Preparing(aside(color=common.color)) as onlooker:
            plan = session.plan_create_machine(onlooker, **machine.wanted())
        seen = session.look(plan) if diff or out or detailed_exitcode else None
        if out:
            plan = session.save_plan(plan, out.expanduser(), seen or {})
        say_notices(session, common)
    _show(common, plan, seen, diff=diff)
    if out:
        typer.echo(f"saved: `cctl apply {out}` does exactly this", err=True)
    return ExitCode.CHANGES if detailed_exitcode and _changes(plan, seen or {}) else ExitCode.DONE


def _show(common: Common, plan: Plan, seen: Mapping[str, Outcome] | None, *, diff: bool) -> None:
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
        case _ if diff and seen is not None:
            show_differences(screen, plan, seen)
            show_summary(screen, plan, seen)
        case _:
            show_plan(screen, plan, seen, wide=common.output is Output.WIDE)


def _changes(plan: Plan, seen: Mapping[str, Outcome]) -> bool:
    from klusterkit.report.planview import symbol

    return any(symbol(task, seen.get(task.id)) not in "=." for task in plan.tasks)
