"""List the runs that have ended, and how.

With --timing, show how long each task of the last one took, the longest first, and its critical path: the chain of
tasks, each needing the one before, that made it as long as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import typer

from klusterkit.cli.completing import ended_runs
from klusterkit.cli.options import Common, Output, Shared

Timing = Annotated[bool, typer.Option("--timing", help="How long each task of a run took")]
Name = Annotated[
    str | None, typer.Option("--run", metavar="NAME", help="Of this run [the last one]", autocompletion=ended_runs)
]


def run(common: Common, timing: Timing = False, name: Name = None) -> None:
    """Read, show."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    with Session.open(common.settings()) as session:
        say_notices(session, common)
        found = session.history
    tell(common, found, timing=timing, name=name)


def tell(common: Shared, history: Sequence[Mapping[str, Any]], *, timing: bool, name: str | None) -> None:
    """Show finished runs, or how long the tasks of one took."""
    from klusterkit.cli.structured import write
    from klusterkit.report.history import critical_path, runs, timings
    from klusterkit.report.screen import aside, output
    from klusterkit.session.running.briefs import TIMED, without_timing

    form = common.show_as(Output.WIDE, Output.JSON, Output.YAML, Output.NAME)
    found = [cast(dict[str, Any], each) for each in history if name is None or each["name"] == name]
    if name is not None and not found:
        raise typer.BadParameter(f"no run is called {name}")
    if timing and found and not found[-1].get("timing") and (name or form not in (Output.JSON, Output.YAML)):
        raise typer.BadParameter(
            f"times are kept of the last {TIMED} runs, if they were done; of {found[-1]['name']}, its log tells"
        )
    screen = output(color=common.color)
    if form in (Output.JSON, Output.YAML):
        write([dict(each) if timing else without_timing(each) for each in found], form)
    elif form is Output.NAME:
        typer.echo("".join(f"{each['name']}\n" for each in found), nl=False)
    elif not found:
        aside(color=common.color).print("no run has ended yet")
    elif timing:
        screen.print(timings(found[-1]))
        screen.print(critical_path(found[-1]))
    else:
        screen.print(runs(found, wide=form is Output.WIDE))
