"""What can go wrong, as classes that carry what the operator needs.

One axis matters to the engine: an error is *permanent* (trying again can't help) or *temporary* (it may pass).
Everything else is for the reader: what failed, on which host, what was seen, what to do now. Exit codes are those of
``docs/exit-codes.md``.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class ErrorInfo(BaseModel):
    """An error as plain data: it crosses from worker to coordinator and into the journal. It holds no secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    message: str
    temporary: bool = False
    lost: bool = False
    """The answer was lost, not the work: whether the step acted isn't known."""
    host: str | None = None
    seen: str | None = None
    hint: str | None = None
    exit_code: int = 1


class KlusterKitError(Exception):
    """Anything that KlusterKit tells the operator instead of a traceback.

    Args:
        message: what failed, in one sentence.
        host: the host that it failed on.
        seen: what was seen there (a few lines at most, secrets masked).
        hint: what to do now.
    """

    exit_code: ClassVar[int] = 1
    temporary: ClassVar[bool] = False
    lost: ClassVar[bool] = False

    def __init__(
        self, message: str, *, host: str | None = None, seen: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.seen = seen
        self.hint = hint

    def info(self) -> ErrorInfo:
        """The error as data."""
        return ErrorInfo(
            type=type(self).__name__,
            message=self.message,
            temporary=self.temporary,
            lost=self.lost,
            host=self.host,
            seen=self.seen,
            hint=self.hint,
            exit_code=self.exit_code,
        )


def info_of(error: Exception) -> ErrorInfo | None:
    """An error as data, if it was written for the operator; None for what is a bug.

    The packages beside the engine have classes of their own, with the same attributes where they have them.
    """
    if isinstance(error, KlusterKitError):
        return error.info()
    message, hint = getattr(error, "message", None), getattr(error, "hint", None)
    if not isinstance(message, str) or not hasattr(error, "hint"):
        return None
    where, code = getattr(error, "where", None), getattr(error, "exit_code", KlusterKitError.exit_code)
    return ErrorInfo(type=type(error).__name__, message=message, seen=where, hint=hint, exit_code=code)


class PermanentError(KlusterKitError):
    """Trying again can't help: the input, the host or the plan has to change first."""


class TemporaryError(KlusterKitError):
    """It may pass: the task's retry policy decides how often it is tried again."""

    temporary: ClassVar[bool] = True


class UsageError(PermanentError):
    """The request or a file that it names is wrong. No host was touched."""

    exit_code: ClassVar[int] = 3


class HostUnreachable(TemporaryError):
    """No connection to the host, or it was lost. What ran there goes on: only its record on the host can tell."""

    exit_code: ClassVar[int] = 5
    lost: ClassVar[bool] = True


class HostRefused(PermanentError):
    """The host can be reached but can't be used: unknown host key, wrong login, no root, locked, or newer state."""

    exit_code: ClassVar[int] = 5
    lost: ClassVar[bool] = True


class HostLocked(HostRefused):
    """Another KlusterKit works on this host."""

    exit_code: ClassVar[int] = 4


class StepTimeout(TemporaryError):
    """A command took longer than its task allows; it has been ended on the host."""


class CommandFailed(PermanentError):
    """A program on the host ended with a status that means failure."""


class CommandFailedTemporarily(TemporaryError):
    """A program on the host failed in a way that is known to pass (a lock held, a server still starting)."""


class NotYet(TemporaryError):
    """Something that is being waited for is not there yet."""


class VerificationFailed(TemporaryError):
    """The step ran, but what it should have made can't be seen."""

    exit_code: ClassVar[int] = 8


class DecisionNeeded(PermanentError):
    """Only the operator can say what is true here: adopt, retry or skip (or roll the whole run back)."""

    exit_code: ClassVar[int] = 7


class PlanInvalid(UsageError):
    """A plan that can't be run as it stands: edited, stale, cyclic, or with unknown kinds of steps."""


class Cancelled(KlusterKitError):
    """The operator asked to stop. The journal knows how far things went."""

    exit_code: ClassVar[int] = 130


class StepHung(PermanentError):
    """A step didn't come back in its time. Whether it still acts isn't known: its task stays ``unknown``."""

    lost: ClassVar[bool] = True


class StepCrashed(PermanentError):
    """A bug: a step raised something that is not ours. ``--debug`` shows the traceback."""
