"""Secrets that the next run needs: values of Secrets that an operator deploys, and new values of secrets of the state.

A plan names them. They are in the state file, sealed as every secret is, from when the plan is made until a run ends.

A secret whose value changes keeps its name, as hosts' records and steps have it: beside it, the new value waits, and a
plan's outcome says ``secrets: {NAME: run/NAME}``. For the steps of that plan the new value counts, for all others the
old one, which the state has until the run is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from klusterkit.engine.plan import Plan
from klusterkit.session.hold import Hold
from klusterkit.state import Snapshot

_OF_A_RUN = "run/"


def named(number: int) -> str:
    """What the state file calls one of them."""
    return f"{_OF_A_RUN}{number}"


def replacing(name: str) -> str:
    """What the state file calls the new value of a secret until the run is done."""
    return f"{_OF_A_RUN}{name}"


def secret_for(hold: Hold, plan: Plan) -> Callable[[str], bytes]:
    """Gives the steps of a plan the values of secrets as they are when it is done."""
    new = _replaced(plan.outcome)
    return lambda name: hold.secret(new.get(name, name))


def with_replaced(hold: Hold, snapshot: Snapshot, outcome: Mapping[str, Any]) -> Snapshot:
    """The state when a plan is done that gives secrets new values."""
    for name, new in _replaced(outcome).items():
        snapshot = hold.state.with_secret(snapshot, name, hold.secret(new))
    return snapshot


def _replaced(outcome: Mapping[str, Any]) -> Mapping[str, str]:
    """Secrets that a plan gives new values, with what these are called until then."""
    return outcome.get("secrets", {})


def keep_inputs(hold: Hold, values: Mapping[str, bytes]) -> None:
    """Have these, by their names, and none of an earlier plan. Nothing is written where it is so already."""
    there = {name: hold.secret(name) for name in hold.snapshot.secrets if name.startswith(_OF_A_RUN)}
    if there == values:
        return
    snapshot = without_inputs(hold, hold.snapshot)
    for name, value in values.items():
        snapshot = hold.state.with_secret(snapshot, name, value)
    hold.state.fold(snapshot)


def without_inputs(hold: Hold, snapshot: Snapshot) -> Snapshot:
    """The state when a run has ended, whichever way."""
    for name in [name for name in snapshot.secrets if name.startswith(_OF_A_RUN)]:
        snapshot = hold.state.without_secret(snapshot, name)
    return snapshot
