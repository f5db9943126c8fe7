"""What a command refuses before it touches a host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from klusterkit.engine.errors import PermanentError, UsageError


class Refused(UsageError):
    """Hosts were looked at, and the operation can't be done on them. All reasons at once, so that one visit mends all.

    Args:
        reasons: each an error of its own, with host, what was seen and what to do.
    """

    def __init__(self, message: str, reasons: Sequence[UsageError]) -> None:
        super().__init__(message)
        self.reasons = tuple(reasons)


class PlanStale(UsageError):
    """The state or a host has moved on since the plan was made."""


class RunInProgress(PermanentError):
    """The state file holds a run that was interrupted or failed: it has to be finished or taken back first."""

    exit_code: ClassVar[int] = 6


class RunCutShort(PermanentError):
    """A run has begun, and its journal can't be written any more: a full disk, say. All that it was told is kept."""

    exit_code: ClassVar[int] = 6


class NoRun(UsageError):
    """There is no run to go on with or to take back."""
