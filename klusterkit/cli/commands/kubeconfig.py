"""Give kubectl access to the cluster, as its administrator.

Without --out and --merge, a new kubeconfig goes to standard output. In a file, the certificate that is there is kept as
long as it is good: Kubernetes can't revoke one. A kubeconfig is a secret: files are made readable for you alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli.options import Common

if TYPE_CHECKING:
    from klusterkit.session.access.kubeconfig import Given


def _option(name: str, text: str, **more: Any) -> Any:
    return typer.Option(name, help=text, **more)


def run(
    common: Common,
    out: Annotated[Path | None, _option("--out", "A file of the cluster's own", metavar="FILE")] = None,
    merge: Annotated[
        bool, _option("--merge", "Into what kubectl reads ($KUBECONFIG or ~/.kube/config), or into --out FILE")
    ] = False,
    use: Annotated[bool, _option("--use", "With --merge: make it kubectl's current context")] = False,
    rotate: Annotated[bool, _option("--rotate", "A new certificate, even if the one there is good")] = False,
    name: Annotated[
        str | None, _option("--context", "Name of context, cluster and user there [CLUSTER-admin]", metavar="NAME")
    ] = None,
    days: Annotated[
        int, _option("--days", "A new certificate's life", metavar="N", min=1, max=36500, show_default=True)
    ] = 365,
) -> None:
    """Issue, write."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    common.show_as()
    if use and not merge:
        raise typer.BadParameter("--use goes with --merge")
    with Session.open(common.settings()) as session:
        say_notices(session, common)
        if out is None and not merge:
            if rotate:
                raise typer.BadParameter("--rotate goes with --out or --merge: standard output always gets a new one")
            typer.echo(session.kubeconfig(context=name, days=days), nl=False)
            return
        wanted: dict[str, Any] = {"merge": merge, "use": use, "rotate": rotate, "context": name, "days": days}
        given = session.give_access(out=out and out.expanduser(), **wanted)
    _say(given, common, used=use or not merge, named=out)


def _say(given: Given, common: Common, *, used: bool, named: Path | None) -> None:
    from klusterkit.report.access import show_given
    from klusterkit.report.screen import aside

    where = f" --kubeconfig {named}" if named else ""
    which = "" if used else f" --context {given.context}"
    show_given(aside(color=common.color), given, f"kubectl{where}{which} get nodes")
