"""Show what applying edited objects would do.

Objects are compared with the state; hosts are looked at and not changed. A plan that was saved with --out is done,
exactly, by `cctl apply`.
"""

from __future__ import annotations

import typer

from klusterkit.cli.deletion import Draining
from klusterkit.cli.objects import ObjectsFile, Prune, wanted_by
from klusterkit.cli.options import Common
from klusterkit.cli.planned import PlanOptions, show


def run(
    common: Common, options: PlanOptions, objects: ObjectsFile = None, prune: Prune = False, *, draining: Draining
) -> int:
    """Compare, plan, look, show, save."""
    if objects is None:
        raise typer.BadParameter("name the objects: --file FILE")
    return show(common, common.settings(), f"apply -f {objects}", wanted_by(objects, draining, prune=prune), options)
