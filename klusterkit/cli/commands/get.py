"""Show what the state file has: machines, runs, keys, and more.

WHAT is cluster (cl), machine (ma), credential (cred); run; bundle, bundlekey (bk), hostkey (hk), recipient (rec); also
in the plural, several with commas. No host is asked, and no secret is shown. `all` is cluster, machine and credential:
what `-o yaml` writes of these can be edited and given back to `cctl apply -f`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli import completing
from klusterkit.cli.kinds import Asked, asked
from klusterkit.cli.options import Common, Output

if TYPE_CHECKING:
    from rich.console import Console

Objects = list[dict[str, Any]]


def run(
    words: Annotated[
        list[str],
        typer.Argument(metavar="WHAT [NAME…]", help="A kind, or WHAT/NAME", autocompletion=completing.objects),
    ],
    common: Common,
    ip: Annotated[
        list[str] | None,
        typer.Option(
            "--ip",
            metavar="ADDRESS",
            help="Only machines with this address",
            autocompletion=completing.addresses,
        ),
    ] = None,
) -> None:
    """Read, show."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.report.screen import aside, output
    from klusterkit.session import Session

    form = common.show_as(Output.WIDE, Output.JSON, Output.YAML, Output.NAME)
    wanted = asked(words)
    with Session.open(common.settings()) as session:
        say_notices(session, common)
        found = [(each, session.objects(each.kind, each.names, addresses=ip or ())) for each in wanted]
    if form is Output.NAME:
        typer.echo(
            "".join(f"{each.kind}/{one['metadata']['name']}\n" for each, those in found for one in those), nl=False
        )
    elif form in (Output.JSON, Output.YAML):
        from klusterkit.cli.structured import write

        write(_data(found), form)
    else:
        _show(found, output(color=common.color), aside(color=common.color), wide=form is Output.WIDE)


def _data(found: Sequence[tuple[Asked, Objects]]) -> dict[str, Any]:
    """As kubectl has it: the object, where one is asked for; else a list."""
    objects = [one for _, those in found for one in those]
    if len(objects) == len(found) == 1 and found[0][0].one:
        return objects[0]
    return {"apiVersion": "v1", "kind": "List", "items": objects}


def _show(found: Sequence[tuple[Asked, Objects]], screen: Console, aside: Console, *, wide: bool) -> None:
    from klusterkit.report.objects import table

    several = len(found) > 1
    there = [(each.kind, objects) for each, objects in found if objects]
    for number, (kind, objects) in enumerate(there):
        if number:
            screen.print()
        screen.print(table(kind, objects, wide=wide, prefix=f"{kind}/" if several else ""))
    if not there:
        aside.print(f"no {' or '.join(each.kind for each, _ in found)} yet")
