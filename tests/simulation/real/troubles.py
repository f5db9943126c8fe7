"""What goes wrong between a process and its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily, HostUnreachable, StepTimeout

Trouble = Literal["fails", "fails for good", "hangs", "is lost"]
"""How a call that may change its host goes wrong: before it does anything, or, if its answer is lost, afterwards."""


class Troubles:
    """Those of all hosts, by the numbers of the calls to each, from 1 and over all processes.

    Args:
        away: calls in which a host can't be reached.
        failing: calls that may change a host, and go wrong.
    """

    def __init__(
        self, away: Mapping[str, range] | None = None, failing: Mapping[str, Mapping[int, Trouble]] | None = None
    ) -> None:
        self._away = away or {}
        self._failing = failing or {}
        self._calls: dict[str, int] = {}
        self._changes: dict[str, int] = {}

    def reach(self, host: str) -> None:
        """A call to this host. Raises ``HostUnreachable``."""
        self._calls[host] = self._calls.get(host, 0) + 1
        if self._calls[host] in self._away.get(host, ()):
            raise HostUnreachable(f"{host} doesn't answer", host=host)

    def next_change(self, host: str) -> Trouble | None:
        """How the next call goes that may change this host."""
        self._changes[host] = self._changes.get(host, 0) + 1
        return self._failing.get(host, {}).get(self._changes[host])


def raise_before(trouble: Trouble | None, host: str) -> None:
    """What the step gets instead of a call that does nothing."""
    match trouble:
        case "fails":
            raise CommandFailedTemporarily(f"{host} refused, for now", host=host)
        case "fails for good":
            raise CommandFailed(f"{host} refused", host=host)
        case "hangs":
            raise StepTimeout(f"{host} took too long", host=host)
        case _:
            pass


def raise_after(trouble: Trouble | None, host: str) -> None:
    """What the step gets instead of the answer to a call that has done its work."""
    if trouble == "is lost":
        raise HostUnreachable(f"the connection to {host} was lost", host=host)
