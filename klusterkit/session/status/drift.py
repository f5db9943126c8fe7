"""Whether a machine still is as runs have left it: files, units, kernel settings, programs, images.

What they did is in the host's own record, whatever operations they were; each step is asked whether it still holds.
Certificates are looked at elsewhere, without their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from klusterkit.cluster import Machine
from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.host import Host
from klusterkit.engine.record import PLACE, HostRecord
from klusterkit.engine.step import Context, Observation, Step
from klusterkit.session.status.model import Component
from klusterkit.tasks.certificates import Issued

NAME = "drift"
_WANTED = "as KlusterKit left it"
_SHOWN = 10


@dataclass(frozen=True)
class DriftSeen:
    """What was found of what is recorded."""

    looked_at: int
    changed: Mapping[str, str]
    """Subjects that aren't as they were left, each with why."""


def look(host: Host, record: HostRecord, secret: Callable[[str], bytes]) -> DriftSeen:
    """Ask each recorded step, those of a kind at once. Reads every program there, which takes a second or more."""
    kinds: dict[type[Step], dict[str, Step]] = {}
    for subject, step in record.latest().items():
        if not isinstance(step, Issued):
            kinds.setdefault(type(step), {})[subject] = step
    changed: dict[str, str] = {}
    for steps in kinds.values():
        changed |= dict(_changed(host, steps, secret))
    return DriftSeen(sum(map(len, kinds.values())), changed)


def _changed(host: Host, steps: Mapping[str, Step], secret: Callable[[str], bytes]) -> Iterable[tuple[str, str]]:
    on = [Context(host=host, run="status", task="status", secret=secret) for _ in steps]
    for subject, seen in zip(steps, _observed([*steps.values()], on), strict=True):
        if not seen.satisfied:
            yield subject, seen.reason or "not as it was left"


def _observed(steps: list[Step], on: list[Context]) -> list[Observation]:
    try:
        return type(steps[0]).observe_many(steps, on)
    except KlusterKitError as error:
        if error.lost:
            raise
        if len(steps) == 1:
            return [Observation(satisfied=False, reason=f"can't be told: {error.message}")]
    # One of them can't be looked at: which, they tell one by one.
    return [seen for step, context in zip(steps, on, strict=True) for seen in _observed([step], [context])]


def judged(machine: Machine, record: HostRecord | None, seen: DriftSeen | KlusterKitError | None) -> Component:
    """As one component.

    Args:
        machine: which one.
        record: what was done there; None where that can't be read.
        seen: what was found of it; an error, or None, where that could not be looked at.
    """
    if record is None or not record.done:
        hint = f"bring {PLACE} back from a backup of the host: what was done there can't be taken back without it"
        return Component.wrong(
            machine.name, NAME, _WANTED, "the host's record is missing or damaged", hint, "no record"
        )
    if not isinstance(seen, DriftSeen):
        why = seen.message if seen else "the host was busy"
        return Component.wrong(machine.name, NAME, _WANTED, f"not looked at: {why}", "look again", "unknown")
    if not seen.changed:
        things = f"{seen.looked_at} files, units, settings, programs and images as they were left"
        return Component.right(machine.name, NAME, _WANTED, things, "none")
    shown = "\n".join(f"{subject}: {why}" for subject, why in [*seen.changed.items()][:_SHOWN])
    more = f"\nand {len(seen.changed) - _SHOWN} more" if len(seen.changed) > _SHOWN else ""
    hint = "see who has changed it, and put it back, or make the change where KlusterKit knows of it"
    return Component.wrong(machine.name, NAME, _WANTED, shown + more, hint, f"{len(seen.changed)} of {seen.looked_at}")
