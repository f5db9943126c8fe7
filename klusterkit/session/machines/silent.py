"""Machines of the cluster that a plan is about, and that don't answer: why, and what may be done about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from klusterkit.engine.errors import HostRefused, HostUnreachable, KlusterKitError, UsageError
from klusterkit.engine.host import Host
from klusterkit.hosts.errors import StaleState
from klusterkit.session.connect import refuse_passed
from klusterkit.session.hold import Hold

T = TypeVar("T")


def seen_on(hold: Hold, host: Host, look: Callable[[Host], T]) -> T | KlusterKitError:
    """What a look at a host tells, or why it can't be looked at. Raises ``StaleState`` if it has seen a later state."""
    try:
        refuse_passed(hold, host)
        return look(host)
    except StaleState:
        raise
    except (HostUnreachable, HostRefused) as error:
        return error


def missing(machine: str, error: KlusterKitError) -> UsageError:
    """That a machine can't be reached, with both ways on."""
    return UsageError(
        error.message,
        host=machine,
        seen=error.seen,
        hint=f"{error.hint or 'see whether the host is on, and its link up'}; if it never comes back: "
        f"`cctl delete machine {machine} --gone`",
    )
