"""The secrets of one state file, opened when they are asked for and cached in memory only."""

from __future__ import annotations

from base64 import b64decode, b64encode

from pydantic import SecretBytes

from klusterkit.state.errors import SecretDamaged, SecretMissing, StateKeyMissing
from klusterkit.state.keys import KeySource
from klusterkit.state.schema import Encryption, PassphraseWrap, PlainValue, SealedValue, Snapshot, Value
from klusterkit.state.sealing import NotOpened, SealingKey


class Vault:
    """Seals and opens the values of one state file.

    Args:
        key: the data key; None for a plaintext file, or as long as no key has opened this one.
        encryption: how the file says that values are kept.
        where: the file, for messages.
    """

    def __init__(self, key: SealingKey | None, encryption: Encryption, where: str) -> None:
        self._key = key
        self._encryption = encryption
        self.where = where
        self._opened: dict[tuple[str, Value], SecretBytes] = {}

    @classmethod
    def unlock(cls, snapshot: Snapshot, keys: KeySource | None, where: str) -> Vault:
        """The vault of a snapshot, unlocked where keys are given. Raises StateKeyMissing."""
        if keys is None or snapshot.encryption.mode == "plaintext":
            return cls(None, snapshot.encryption, where)
        key = keys.unwrap(snapshot.encryption.wraps, snapshot.lineage)
        if key is None:
            raise _no_key(snapshot.encryption, where, f"tried {keys.describe()}")
        return cls(SealingKey(key, snapshot.lineage), snapshot.encryption, where)

    @property
    def locked(self) -> bool:
        """Whether there are sealed values, and nothing to open them with."""
        return self._key is None and self._encryption.mode == "sealed"

    @property
    def key(self) -> SealingKey:
        """The data key. Raises StateKeyMissing while it isn't known."""
        if self._key is None:
            raise _no_key(self._encryption, self.where, "no key was given")
        return self._key

    def seal(self, value: bytes, place: str) -> Value:
        """A value, kept as this file keeps values, for one place in it."""
        if self._encryption.mode == "plaintext":
            return PlainValue(plain=b64encode(value).decode())
        return SealedValue(sealed=self.key.seal(value, place))

    def open(self, value: Value, place: str) -> SecretBytes:
        """What a value holds. Raises SecretDamaged, StateKeyMissing."""
        if (place, value) not in self._opened:
            self._opened[place, value] = SecretBytes(self._decode(value, place))
        return self._opened[place, value]

    def secret(self, snapshot: Snapshot, name: str) -> SecretBytes:
        """The secret of this name. Raises SecretMissing, SecretDamaged, StateKeyMissing."""
        if name not in snapshot.secrets:
            known = ", ".join(sorted(snapshot.secrets)) or "none"
            raise SecretMissing(
                f"{self.where} has no secret {name!r}",
                where=f"{self.where}, secrets",
                hint=f"its secrets are: {known}; the operation that makes this one hasn't run yet, or was undone",
            )
        return self.open(snapshot.secrets[name], secret_place(name))

    def check(self, snapshot: Snapshot) -> None:
        """Open every secret of a snapshot, where the key is known. Raises SecretDamaged."""
        if self._key is not None:
            for name in snapshot.secrets:
                self.secret(snapshot, name)

    def _decode(self, value: Value, place: str) -> bytes:
        try:
            if isinstance(value, PlainValue):
                return b64decode(value.plain, validate=True)
            return self.key.open(value.sealed, place)
        except (NotOpened, ValueError) as error:
            raise SecretDamaged(
                f"the value at {place} in {self.where} doesn't open: it was changed, or moved here from another place",
                where=f"{self.where}, {place}",
                hint=f"take it from an undamaged copy or generation of the file ({self.where}.1)",
            ) from error


def secret_place(name: str) -> str:
    """Where a secret stands: what it is bound to when sealed."""
    return f"secrets/{name}"


def _no_key(encryption: Encryption, where: str, tried: str) -> StateKeyMissing:
    opens = [f"the identity of {recipient}" for recipient in encryption.recipients]
    opens += ["its passphrase" for wrap in encryption.wraps if isinstance(wrap, PassphraseWrap)]
    return StateKeyMissing(
        f"{where} is encrypted, and no key at hand opens it: it opens with {' or '.join(opens)}; {tried}",
        where=f"{where}, encryption",
        hint=(
            "name the identity file with --identity or KLUSTERKIT_IDENTITY_FILE, or let somebody who can open the file "
            "add your public key (age1…) as a recipient"
        ),
    )
