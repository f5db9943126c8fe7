"""Show the cluster, its machines, or the credential.

It is what the state file has: no host is asked. No secret is shown.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli.options import Common, Output

if TYPE_CHECKING:
    from klusterkit.session import Session


class What(StrEnum):
    """What there is to get."""

    CLUSTER = "cluster"
    MACHINE = "machine"
    CREDENTIAL = "credential"


def run(
    what: Annotated[What, typer.Argument(metavar="WHAT", help="cluster, machine or credential")], common: Common
) -> None:
    """Read, show."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    form = common.show_as(Output.WIDE, Output.JSON, Output.YAML, Output.NAME)
    with Session.open(common.settings()) as session:
        say_notices(session, common)
        objects = _objects(session, what)
        if form is Output.NAME:
            typer.echo("".join(f"{what}/{_name(each)}\n" for each in objects), nl=False)
        elif form in (Output.JSON, Output.YAML):
            from klusterkit.cli.structured import write

            write(objects if what is What.MACHINE else objects[0] if objects else None, form)
        else:
            _show(session, what, common)


def _objects(session: Session, what: What) -> list[dict[str, Any]]:
    """As the state file has them. A credential names its secret; the secret itself is elsewhere in the file."""
    snapshot = session.snapshot
    match what:
        case What.CLUSTER:
            return [snapshot.cluster] if snapshot.cluster else []
        case What.MACHINE:
            return snapshot.machines
        case What.CREDENTIAL:
            return snapshot.credentials


def _name(data: dict[str, Any]) -> str:
    return str(data["metadata"]["name"] if "metadata" in data else data["name"])


def _show(session: Session, what: What, common: Common) -> None:
    from klusterkit.report.objects import clusters, credentials, machines
    from klusterkit.report.screen import aside, output

    wide = common.output is Output.WIDE
    match what:
        case What.CLUSTER:
            table = clusters([session.cluster] if session.cluster else [], wide=wide)
        case What.MACHINE:
            table = machines(session.machines, wide=wide)
        case What.CREDENTIAL:
            table = credentials(session.snapshot.credentials)
    if table.row_count:
        output(color=common.color).print(table)
    else:
        aside(color=common.color).print(f"no {what} yet")
