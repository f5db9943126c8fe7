"""See that everything a saved plan needs is in a bundle, by digest.

Its signature and its age are checked as `cctl apply` does it, by the keys that the state file pins, or its signature
alone, by those that --key names. Where there is neither, that is said. No host is touched. A plan is saved by
`cctl plan … --out FILE`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from klusterkit.cli.options import Common
from klusterkit.cli.trusted import TrustedKeys, pinning, say_unchecked, trusted_keys


def run(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE")],
    plan: Annotated[Path, typer.Argument(metavar="PLAN")],
    common: Common,
    key: TrustedKeys = None,
) -> None:
    """Check it."""
    from klusterkit.session.running.completeness import check_bundle
    from klusterkit.session.running.plans import load_plan

    path, wanted = file.expanduser(), load_plan(plan.expanduser())
    if key:
        count = check_bundle(path, wanted, trusted_keys(common, key))
    else:
        with pinning(common) as session:
            count = session.check_bundle(path, wanted) if session else check_bundle(path, wanted, None)
        if session is None:
            say_unchecked(common, f"the signature of {file} was not checked")
    typer.echo(f"{file} has all {count} files that {plan} needs")
