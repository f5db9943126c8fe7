"""Who opens a state file: the data key made, wrapped for one more, or replaced where one may open it no longer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from klusterkit.state.errors import KeyInvalid
from klusterkit.state.keys import KeySource, Passphrase
from klusterkit.state.schema import Encryption, PassphraseWrap, Snapshot, Wrap
from klusterkit.state.sealing import SealingKey, wrap_for_recipient
from klusterkit.state.vault import Vault, secret_place

Wrapping = Callable[[SealingKey], Sequence[Wrap]]


def begin(lineage: str, keys: KeySource | None, where: str, public_keys: Sequence[str] = ()) -> tuple[Snapshot, Vault]:
    """The first snapshot of a lineage, and the vault of its new data key. Raises KeyInvalid, StateNotWritable.

    Args:
        lineage: a new one.
        keys: what will open the file; None for plain text.
        where: the file, for messages.
        public_keys: more recipients. They are looked at first: a key file is not made for what is refused.
    """

    if keys is None and public_keys:
        raise _no_key_to_share(where)
    key, encryption = _new_key(lineage, _wrapping(keys, public_keys) if keys else None)
    return Snapshot(lineage=lineage, serial=1, encryption=encryption), Vault(key, encryption, where)


def add(snapshot: Snapshot, vault: Vault, public_key: str) -> tuple[Snapshot, Vault]:
    """Let one age identity more open the file. Raises KeyInvalid, StateKeyMissing."""
    if snapshot.encryption.mode == "plaintext":
        raise _no_key_to_share(vault.where)
    if public_key in snapshot.encryption.recipients:
        return snapshot, vault
    wraps = (*snapshot.encryption.wraps, wrap_for_recipient(vault.key, public_key))
    encryption = Encryption(mode="sealed", wraps=wraps)
    return snapshot.model_copy(update={"encryption": encryption}), Vault(vault.key, encryption, vault.where)


def remove(
    snapshot: Snapshot, vault: Vault, public_key: str, passphrase: Passphrase | None = None
) -> tuple[Snapshot, Vault]:
    """A new data key that one age identity doesn't open: whoever could open the old one may have kept it.

    Raises:
        KeyInvalid: it is no recipient or the only one, or the passphrase that also opens the file isn't given.
    """
    recipients = snapshot.encryption.recipients
    rest = [recipient for recipient in recipients if recipient != public_key]
    by_passphrase = any(isinstance(wrap, PassphraseWrap) for wrap in snapshot.encryption.wraps)
    if public_key not in recipients or not (rest or by_passphrase):
        raise KeyInvalid(
            f"{public_key} can't be removed from {vault.where}: it is no recipient, or the only one",
            where=f"{vault.where}, encryption",
            hint=f"its recipients are: {', '.join(recipients) or 'none'}; add another one before removing the last",
        )
    if by_passphrase and passphrase is None:
        raise KeyInvalid(
            f"{vault.where} opens with a passphrase as well, which is needed to wrap the new data key",
            where=f"{vault.where}, encryption",
            hint="give the passphrase too: on a terminal, or in a file that KLUSTERKIT_PASSPHRASE_FILE names",
        )

    def wrap(key: SealingKey) -> Sequence[Wrap]:
        for_rest = [wrap_for_recipient(key, recipient) for recipient in rest]
        return [*for_rest, *(passphrase.wrap(key) if by_passphrase and passphrase else ())]

    return _sealed_anew(snapshot, vault, wrap)


def rekey(
    snapshot: Snapshot, vault: Vault, keys: KeySource | None, public_keys: Sequence[str] = ()
) -> tuple[Snapshot, Vault]:
    """Every secret sealed anew, under a new data key that these keys and these age recipients alone open.

    Without keys, in plain text. Raises KeyInvalid, StateKeyMissing.
    """
    return _sealed_anew(snapshot, vault, _wrapping(keys, public_keys) if keys else None)


def _sealed_anew(snapshot: Snapshot, vault: Vault, wrap: Wrapping | None) -> tuple[Snapshot, Vault]:
    key, encryption = _new_key(snapshot.lineage, wrap)
    renewed = Vault(key, encryption, vault.where)
    secrets = {
        name: renewed.seal(vault.secret(snapshot, name).get_secret_value(), secret_place(name))
        for name in snapshot.secrets
    }
    return snapshot.model_copy(update={"encryption": encryption, "secrets": secrets}), renewed


def _wrapping(keys: KeySource, public_keys: Sequence[str]) -> Wrapping:
    """For the keys, and for recipients besides. These come first: no key file is made for what is refused."""

    def wrap(key: SealingKey) -> Sequence[Wrap]:
        others = {each: wrap_for_recipient(key, each) for each in public_keys}
        own = keys.wrap(key)
        for each in own:
            others.pop(getattr(each, "recipient", ""), None)
        return [*own, *others.values()]

    return wrap


def _no_key_to_share(where: str) -> KeyInvalid:
    return KeyInvalid(
        f"{where} keeps its secrets in plain text: there is no key to share",
        where=f"{where}, encryption",
        hint="encrypt it first: `cctl state rekey`",
    )


def _new_key(lineage: str, wrap: Wrapping | None) -> tuple[SealingKey | None, Encryption]:
    if wrap is None:
        return None, Encryption(mode="plaintext")
    key = SealingKey.generate(lineage)
    return key, Encryption(mode="sealed", wraps=tuple(wrap(key)))
