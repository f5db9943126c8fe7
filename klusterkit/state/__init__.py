"""``cctl-state.yaml``: the one file that knows a cluster, its secrets, and the journal of the run in progress.

It knows nothing of plans and tasks: a journal record is a mapping that JSON can hold. The format is documented in
``docs/state-file.md``.
"""

from klusterkit.state.errors import (
    KeyInvalid,
    RecordInvalid,
    SecretDamaged,
    SecretMissing,
    StateChanged,
    StateDamaged,
    StateError,
    StateExists,
    StateInUse,
    StateKeyMissing,
    StateLocked,
    StateMissing,
    StateNotLocked,
    StateNotReadable,
    StateNotRecognised,
    StateNotWritable,
    StateVersionUnknown,
)
from klusterkit.state.file import StateFile
from klusterkit.state.keys import (
    IdentityFile,
    KeySource,
    Passphrase,
    default_identity_path,
    key_source,
    passphrase_at_hand,
)
from klusterkit.state.lock import Lock, LockInfo, lock, user_name, who
from klusterkit.state.schema import Encryption, Snapshot
from klusterkit.state.stream import Record

__all__ = [
    "Encryption",
    "IdentityFile",
    "KeyInvalid",
    "KeySource",
    "Lock",
    "LockInfo",
    "Passphrase",
    "Record",
    "RecordInvalid",
    "SecretDamaged",
    "SecretMissing",
    "Snapshot",
    "StateChanged",
    "StateDamaged",
    "StateError",
    "StateExists",
    "StateFile",
    "StateInUse",
    "StateKeyMissing",
    "StateLocked",
    "StateMissing",
    "StateNotLocked",
    "StateNotReadable",
    "StateNotRecognised",
    "StateNotWritable",
    "StateVersionUnknown",
    "default_identity_path",
    "key_source",
    "lock",
    "passphrase_at_hand",
    "user_name",
    "who",
]
