"""How long the certificates of a machine last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from klusterkit.cluster import Machine
from klusterkit.pki import Life
from klusterkit.pki.check import RENEW_AFTER
from klusterkit.session.status.model import Component

NAME = "certificates"
_WANTED = "all there, with more than a third of their life to go"


def lasting(machine: Machine, certificates: Mapping[str, Life | None], now: datetime | None = None) -> Component:
    """All certificates of a machine as one component: as good as the one that ends first.

    Args:
        machine: whose they are.
        certificates: by path; None for one that is missing or damaged.
        now: the time to judge by.
    """
    now = now or datetime.now(UTC)
    missing = [path for path, life in certificates.items() if life is None]
    if missing:
        hint = "see who has changed them; a backup of the host has the keys that go with them"
        return Component.wrong(
            machine.name, NAME, _WANTED, f"missing or damaged: {', '.join(missing)}", hint, "missing"
        )
    path, first = min(((path, life) for path, life in certificates.items() if life), key=lambda item: item[1].ends)
    days = first.days_left(now)
    ends = f"{path} ends on {first.ends:%Y-%m-%d}"
    if first.over(now):
        seen = f"{path} ended on {first.ends:%Y-%m-%d}"
        return Component.wrong(machine.name, NAME, _WANTED, seen, _RENEW, "ended")
    if now > first.begins + (first.ends - first.begins) * RENEW_AFTER:
        return Component.wrong(machine.name, NAME, _WANTED, f"{ends}, in {days} days", _RENEW, f"{days} days")
    return Component.right(machine.name, NAME, _WANTED, f"{len(certificates)}, {ends}, in {days} days", f"{days} days")


_RENEW = "renew them before that: what they prove isn't believed afterwards, and the cluster stops"
