"""What can go wrong with a state file, as classes that carry what the operator needs.

The fields are those of the engine's errors where they mean the same (``message``, ``hint``, ``exit_code``); ``where``
is the file or the part of it. This package stands beside the engine and imports nothing of it.
"""

from __future__ import annotations

from typing import ClassVar


class StateError(Exception):
    """A state file, its lock or its key can't be used as asked.

    Args:
        message: what failed, in one sentence that names the file.
        where: the file, or the part of it (``cctl-state.yaml, record 17``).
        hint: what to do now.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint


class StateMissing(StateError):
    """There is no state file at this path. Reading never makes one."""

    exit_code: ClassVar[int] = 3


class StateExists(StateError):
    """A new state file was asked for where there is a file already."""

    exit_code: ClassVar[int] = 3


class StateNotRecognised(StateError):
    """The file is no KlusterKit state file, or its snapshot has fields that this version doesn't know."""

    exit_code: ClassVar[int] = 3


class StateVersionUnknown(StateNotRecognised):
    """The file's ``apiVersion`` is none that this version of KlusterKit reads."""


class StateDamaged(StateError):
    """The file isn't what was written: the snapshot or one record doesn't match its digest.

    Args:
        record: the number of the damaged record, counted from 1; ``None`` for the snapshot.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, where: str, hint: str, record: int | None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.record = record


class StateChanged(StateError):
    """Something else wrote to the file while this command held its lock."""


class StateNotReadable(StateError):
    """The file is there and the operating system doesn't let it be read."""

    exit_code: ClassVar[int] = 3


class StateNotWritable(StateError):
    """The file, its lock or a temporary beside it couldn't be written. What was durable before still is."""


class StateNotLocked(StateError):
    """A write was asked for without holding the lock: a bug in the caller."""


class StateInUse(StateError):
    """The operation needs a state file without a run in progress."""

    exit_code: ClassVar[int] = 3


class StateLocked(StateError):
    """Another command holds the lock."""

    exit_code: ClassVar[int] = 4


class StateKeyMissing(StateError):
    """None of the keys at hand opens this state file."""

    exit_code: ClassVar[int] = 3


class KeyInvalid(StateError):
    """An identity file, a recipient or a passphrase that can't be used."""

    exit_code: ClassVar[int] = 3


class SecretMissing(StateError):
    """The state file has no secret of this name."""

    exit_code: ClassVar[int] = 3


class SecretDamaged(StateError):
    """A sealed value doesn't open: it was changed, or moved here from another place."""

    exit_code: ClassVar[int] = 3


class RecordInvalid(StateError):
    """A journal record that can't be written as JSON: a bug in the caller."""
