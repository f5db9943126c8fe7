"""One ``cctl-state.yaml``: a snapshot, and the journal of the run in progress behind it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretBytes, ValidationError

from klusterkit.foreign import misfits, words_of
from klusterkit.state import disk, recipients, stream
from klusterkit.state.errors import (
    StateExists,
    StateInUse,
    StateMissing,
    StateNotLocked,
    StateNotReadable,
    StateNotRecognised,
)
from klusterkit.state.keys import KeySource, Passphrase
from klusterkit.state.lock import Lock
from klusterkit.state.migrations import migrate
from klusterkit.state.schema import Snapshot, new_lineage
from klusterkit.state.stream import Record
from klusterkit.state.vault import Vault, secret_place


class StateFile:
    """A state file that was read and verified; made by ``create`` or ``load``.

    Reading needs no lock, and sees a whole file even while another command writes. What writes (``append``, ``fold``
    and all that fold) needs the lock of ``klusterkit.state.lock``, given to ``create`` or ``load``.

    Attributes:
        path: the file, with symbolic links resolved.
        snapshot: its first document.
        torn: whether a torn last record was dropped on reading; the next append cuts it from the file.
    """

    def __init__(self, path: Path, keys: KeySource | None, lock: Lock | None, vault: Vault | None = None) -> None:
        self.path = path
        self._keys = keys
        self._lock = lock
        self._writing = threading.RLock()
        data, status = _read(path)
        content = stream.decode(data, str(path))
        self.snapshot = _validate(content.snapshot, str(path))
        self.torn = content.torn
        self._exposed = bool(status.st_mode & 0o077)
        self._digest, self._records, self._head = content.digest, content.records, content.head
        self._vault = vault or Vault.unlock(self.snapshot, keys, str(path))
        self._end = disk.OpenEnd(path, disk.identity(status), content.end, len(data))

    @classmethod
    def create(
        cls,
        path: Path,
        keys: KeySource | None,
        *,
        lock: Lock | None = None,
        public_keys: Sequence[str] = (),
        secrets: Mapping[str, bytes] | None = None,
    ) -> StateFile:
        """Begin a new lineage at serial 1, in a new file of mode 0600.

        Args:
            path: where there must be no file yet.
            keys: what will open it; None keeps secrets in plain text (``--insecure-plaintext-state``).
            lock: needed for writing more than this.
            public_keys: age recipients that open it besides ``keys``.
            secrets: what it holds from its beginning.

        Raises:
            StateExists, StateNotWritable, KeyInvalid.
        """
        path = path.resolve()
        snapshot, vault = recipients.begin(new_lineage(), keys, str(path), public_keys)
        sealed = {name: vault.seal(value, secret_place(name)) for name, value in (secrets or {}).items()}
        snapshot = _changed(snapshot, secrets=sealed)
        data, _ = _encode(snapshot, vault, str(path))
        try:
            disk.create(path, data)
        except FileExistsError as error:
            raise StateExists(
                f"there is a file at {path} already",
                where=str(path),
                hint="each cluster has its own state file: name another one with --state, or go on with this one",
            ) from error
        return cls(path, keys, lock, vault)

    @classmethod
    def load(cls, path: Path, keys: KeySource | None = None, *, lock: Lock | None = None) -> StateFile:
        """Read and verify a state file. Never makes or changes one.

        Args:
            path: the file.
            keys: what opens its secrets; without them everything but secrets can be read.
            lock: needed for writing.

        Raises:
            StateMissing, StateNotReadable, StateNotRecognised, StateVersionUnknown, StateDamaged, StateKeyMissing,
            KeyInvalid.
        """
        return cls(path.resolve(), keys, lock)

    def again(self) -> StateFile:
        """The file as it is now. What opened its secrets is not asked for again."""
        return StateFile(self.path, self._keys, self._lock, self._vault)

    @property
    def records(self) -> Sequence[Record]:
        """The journal of the run in progress, oldest first; empty when none is in progress."""
        return self._records

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the snapshot as it stands in the file."""
        return self._digest

    @property
    def writable(self) -> bool:
        """Whether this command holds the lock, and so may write."""
        return self._lock is not None and self._lock.held

    @property
    def plaintext(self) -> bool:
        """Whether secrets are kept without encryption."""
        return self.snapshot.encryption.mode == "plaintext"

    @property
    def notices(self) -> tuple[str, ...]:
        """What the operator should be told, each time that the file is used."""
        notices = list(self._keys.notices) if self._keys else []
        if self.plaintext:
            notices.append(f"{self.path} keeps its secrets in PLAIN TEXT: whoever reads it owns the cluster")
        if self._exposed:
            notices.append(f"{self.path} can be read by other users of this machine: chmod 600 {self.path}")
        return tuple(notices)

    def append(self, *records: Record) -> None:
        """Add journal records: one write and one fdatasync for all that are given. Thread-safe.

        When it returns, they are on the disk; when it raises, what was durable before still is, and appending may be
        tried again.

        Raises:
            StateNotWritable, StateChanged, StateNotLocked, RecordInvalid.
        """
        with self._writing:
            self._require_lock()
            lines: list[bytes] = []
            head = self._head
            for seq, record in enumerate(records, start=len(self._records) + 1):
                line, head = stream.encode_record(seq, head, record, str(self.path))
                lines.append(line)
            self._end.append(b"".join(lines))
            self._head = head
            self._records.extend(map(stream.record_of, lines))
            self.torn = False

    def make_durable(self) -> None:
        """See that the records that were read are on the disk, before anything acts on them.

        Raises:
            StateNotWritable, StateNotLocked.
        """
        with self._writing:
            self._require_lock()
            self._end.make_durable()

    def fold(self, snapshot: Snapshot) -> None:
        """Make this the snapshot, with the next serial and an empty journal, or change nothing.

        The file as it was, journal included, stays as the previous generation.

        Raises:
            StateNotWritable, StateChanged, StateNotLocked, SecretDamaged.
            ValueError: the snapshot is of another lineage or encryption.
        """
        if (snapshot.lineage, snapshot.encryption) != (self.snapshot.lineage, self.snapshot.encryption):
            raise ValueError("a snapshot is folded into its own file; add_recipient and rekey change the encryption")
        self._publish(snapshot, self._vault)

    @property
    def locked(self) -> bool:
        """Whether the file was loaded without the keys that its secrets need."""
        return self._vault.locked

    def unlock(self, keys: KeySource) -> None:
        """Have these keys open the secrets from now on. Raises StateKeyMissing, KeyInvalid."""
        self._vault = Vault.unlock(self.snapshot, keys, str(self.path))
        self._keys = keys

    def secret(self, name: str) -> SecretBytes:
        """The secret of this name. Raises SecretMissing, SecretDamaged, StateKeyMissing."""
        return self._vault.secret(self.snapshot, name)

    def with_secret(self, snapshot: Snapshot, name: str, value: bytes) -> Snapshot:
        """The snapshot with this secret set, sealed; ``fold`` writes it. Raises StateKeyMissing."""
        return _changed(snapshot, secrets={**snapshot.secrets, name: self._vault.seal(value, secret_place(name))})

    def without_secret(self, snapshot: Snapshot, name: str) -> Snapshot:
        """The snapshot without this secret."""
        return _changed(snapshot, secrets={key: value for key, value in snapshot.secrets.items() if key != name})

    def add_recipient(self, public_key: str) -> None:
        """Let an age identity open the file. Raises KeyInvalid, StateInUse and what ``fold`` raises."""
        self._publish(*recipients.add(self._idle_snapshot(), self._vault, public_key))

    def remove_recipient(self, public_key: str, passphrase: Passphrase | None = None) -> None:
        """Let an age identity open the file no longer: a new data key, and every secret sealed anew.

        Args:
            public_key: the recipient.
            passphrase: needed where the file opens with one as well, to wrap the new data key.

        Raises:
            KeyInvalid, StateInUse and what ``fold`` raises.
        """
        self._publish(*recipients.remove(self._idle_snapshot(), self._vault, public_key, passphrase))

    def rekey(self, keys: KeySource | None, public_keys: Sequence[str] = ()) -> None:
        """A new data key that these keys and age recipients alone open (None: plain text).

        Raises as ``add_recipient``.
        """
        self._publish(*recipients.rekey(self._idle_snapshot(), self._vault, keys, public_keys))
        self._keys = keys

    def _idle_snapshot(self) -> Snapshot:
        if self._records:
            raise StateInUse(
                f"{self.path} has a run in progress, and its keys change between runs only",
                where=str(self.path),
                hint="finish it first: cctl resume or cctl rollback",
            )
        return self.snapshot

    def _publish(self, snapshot: Snapshot, vault: Vault) -> None:
        with self._writing:
            self._require_lock()
            snapshot = _changed(snapshot, serial=self.snapshot.serial + 1)
            data, digest = _encode(snapshot, vault, str(self.path))
            self._end.refuse_if_changed()
            disk.replace(self.path, data)
            self._end.close()
            self._end = disk.OpenEnd(self.path, disk.identity(self.path.stat()), len(data), len(data))
            self.snapshot, self._vault = snapshot, vault
            self._digest = self._head = digest
            self._records = []
            self.torn = self._exposed = False

    def _require_lock(self) -> None:
        if self._lock is None or not self._lock.held or self._lock.path != self.path:
            raise StateNotLocked(
                f"{self.path} would be written without its lock",
                where=str(self.path),
                hint="this is a bug in KlusterKit; nothing was written",
            )


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        with path.open("rb") as file:
            return file.read(), os.fstat(file.fileno())
    except FileNotFoundError as error:
        raise StateMissing(
            f"there is no state file at {path}",
            where=str(path),
            hint="name it with --state; 'cctl create credential' begins a new one",
        ) from error
    except OSError as error:
        raise StateNotReadable(
            f"can't read {path}: {words_of(error)}",
            where=str(path),
            hint="run as the owner of the file (its mode is 0600), or name another one with --state",
        ) from error


def _validate(document: dict[str, Any], where: str) -> Snapshot:
    document = migrate(document, where)
    try:
        return Snapshot.model_validate(document)
    except ValidationError as error:
        raise StateNotRecognised(
            f"the snapshot in {where} isn't one that this KlusterKit can read: {'; '.join(misfits(error))}",
            where=f"{where}, snapshot",
            hint="use the KlusterKit that wrote it, or a newer one; if it was edited by hand, correct these fields",
        ) from None


def _changed(snapshot: Snapshot, **update: Any) -> Snapshot:
    return Snapshot.model_validate({**{name: getattr(snapshot, name) for name in Snapshot.model_fields}, **update})


def _encode(snapshot: Snapshot, vault: Vault, where: str) -> tuple[bytes, str]:
    """The bytes of a file without a journal. What can't be read back, or opened, is never published."""
    data, digest = stream.encode_snapshot(snapshot.document())
    again = _validate(stream.decode(data, where).snapshot, where)
    if again.document() != snapshot.document():
        raise ValueError("the snapshot holds a value that YAML doesn't keep as it is")
    vault.check(again)
    return data, digest
