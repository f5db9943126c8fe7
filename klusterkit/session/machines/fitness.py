"""Hosts that can't become what is wanted: refused with all reasons, before anything is started."""

from __future__ import annotations

from collections.abc import Iterable

from klusterkit.cluster import Machine
from klusterkit.engine.errors import UsageError
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.tasks.preflight import Refusal


def refuse_unfit(hold: Hold, found: Iterable[tuple[Machine, Refusal]]) -> None:
    """Have the operator told what may be as it is. Raises ``Refused`` for what may not."""
    reasons: list[UsageError] = []
    for machine, refusal in found:
        if refusal.fatal:
            reasons.append(UsageError(refusal.what, host=machine.name, seen=refusal.seen, hint=refusal.hint))
        else:
            hold.notice(f"{machine.name}: {refusal}")
    if reasons:
        hosts = sorted({str(reason.host) for reason in reasons})
        raise Refused(f"{', '.join(hosts)} can't be used as it is; nothing was changed", reasons)
