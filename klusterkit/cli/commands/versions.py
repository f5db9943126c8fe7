"""Say which version this is, and what runs on the machines.

With a state file that has machines, their programs are asked: kubelet, kubeadm, etcd, containerd and all else, the
kernel, too. Not with --client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.commands.version import in_words, own
from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.options import Common, Output

if TYPE_CHECKING:
    from klusterkit.session.versions import ClusterVersions


def run(
    common: Common,
    client: Annotated[bool, typer.Option("--client", help="Of this program alone; ask no machine")] = False,
) -> int:
    """Say it."""
    form = common.show_as(Output.JSON, Output.YAML)
    if form is Output.TEXT:
        typer.echo(in_words())
    found = None if client else _of_machines(common)
    _show(common, found, form)
    return ExitCode.UNREACHABLE if found and any(each.error for each in found.machines) else ExitCode.DONE


def _of_machines(common: Common) -> ClusterVersions | None:
    """Nothing where there is no state file: this program has a version without one."""
    settings = common.settings()
    if not settings.state.exists():
        return None
    from klusterkit.cli.notices import say_notices
    from klusterkit.session import Session

    with Session.open(settings) as session:
        say_notices(session, common)
        return session.versions()


def _show(common: Common, found: ClusterVersions | None, form: Output) -> None:
    if form is not Output.TEXT:
        from klusterkit.cli.structured import write

        write({**own(), **(found.model_dump(mode="json", exclude_none=True) if found else {})}, form)
    elif found:
        from klusterkit.report.screen import output
        from klusterkit.report.versionview import versions

        screen = output(color=common.color)
        screen.print()
        screen.print(versions(found.wanted, found.machines))
