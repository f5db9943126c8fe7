"""Secrets that the next run needs, and nobody after it: values of Secrets that an operator deploys.

A plan names them. They are in the state file, sealed as every secret is, from when the plan is made until a run ends.
"""

from __future__ import annotations

from collections.abc import Mapping

from klusterkit.session.hold import Hold
from klusterkit.state import Snapshot

_OF_A_RUN = "run/"


def named(number: int) -> str:
    """What the state file calls one of them."""
    return f"{_OF_A_RUN}{number}"


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
