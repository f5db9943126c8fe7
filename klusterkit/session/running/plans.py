"""Saved plans: files that can be reviewed and signed off, and applied exactly."""

from __future__ import annotations

from pathlib import Path

from klusterkit import tasks
from klusterkit.engine.errors import PlanInvalid, UsageError
from klusterkit.engine.plan import Plan
from klusterkit.foreign import words_of
from klusterkit.session.private import write_private

AGAIN = "make one with `cctl plan … --out FILE`; objects are for `cctl apply -f`, manifests for `cctl deploy -f`"

_ = tasks  # finds the kinds of steps that a plan may name


def save_plan(plan: Plan, path: Path) -> None:
    """Write a plan, 0600: it holds no secret, but says much of the site. An existing file is replaced as a whole."""
    write_private(path, plan.to_yaml())


def load_plan(path: Path) -> Plan:
    """Read a saved plan. Raises ``PlanInvalid`` if it was edited, damaged, or is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = words_of(error)
        raise UsageError(f"the plan {path} can't be read: {why}", hint="make one: `cctl plan … --out FILE`") from None
    try:
        return Plan.from_yaml(text)
    except PlanInvalid as error:
        raise PlanInvalid(f"{path}: {error.message}", hint=error.hint or AGAIN) from None
