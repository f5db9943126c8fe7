"""Show what the member on this host says of itself, and who its peers are, as JSON (or YAML)."""

from __future__ import annotations

from klusterkit.cli.options import Output
from klusterkit.cli.tools.options import OnHost


def run(common: OnHost) -> None:
    """Ask, show."""
    from klusterkit.cli.structured import write

    form = common.show_as(Output.JSON, Output.YAML)
    with common.session() as session:
        found = session.member()
    write(found, Output.JSON if form is Output.TEXT else form)
