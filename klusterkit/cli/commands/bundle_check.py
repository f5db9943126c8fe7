"""See that everything a saved plan needs is in a bundle, by digest.

No host is touched. A plan is saved by `cctl plan … --out FILE`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common


def run(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE")],
    plan: Annotated[Path, typer.Argument(metavar="PLAN")],
    common: Common,
) -> None:
    """Check it."""
    from klusterkit.session.running.completeness import check_bundle
    from klusterkit.session.running.plans import load_plan

    _ = common
    count = check_bundle(file.expanduser(), load_plan(plan.expanduser()))
    typer.echo(f"{file} has all {count} files that {plan} needs")
