"""Sealed values, and the data key that they are sealed with.

Each value is AES-256-GCM (NIST SP 800-38D) under one random data key per state file, with a random 96-bit nonce and
``lineage/place`` as associated data, so that a value opens only where it was put. The data key is wrapped: for age
recipients, or by a passphrase (scrypt, RFC 7914). Both can be undone with stock tools: ``docs/state-file.md``.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from klusterkit.state import age
from klusterkit.state.schema import AgeWrap, PassphraseWrap

KEY_LENGTH = 32
_NONCE_LENGTH = 12
_SALT_LENGTH = 16
# 0.4 s and 128 MiB: what OWASP's password storage sheet gives as the minimum for scrypt.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**17, 8, 1
_PASSPHRASE_PLACE = "encryption/passphrase"  # noqa: S105 - a place in the file


class NotOpened(Exception):
    """A sealed text doesn't open with this key at this place."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A 256-bit key for the values of one lineage."""

    key: bytes = field(repr=False)
    lineage: str

    @classmethod
    def generate(cls, lineage: str) -> SealingKey:
        """A new random key."""
        return cls(AESGCM.generate_key(bit_length=8 * KEY_LENGTH), lineage)

    def seal(self, value: bytes, place: str) -> str:
        """Base64 of nonce, ciphertext and tag."""
        nonce = os.urandom(_NONCE_LENGTH)
        return b64encode(nonce + AESGCM(self.key).encrypt(nonce, value, self._bound_to(place))).decode()

    def open(self, sealed: str, place: str) -> bytes:
        """The value. Raises NotOpened."""
        try:
            data = b64decode(sealed, validate=True)
            return AESGCM(self.key).decrypt(data[:_NONCE_LENGTH], data[_NONCE_LENGTH:], self._bound_to(place))
        except (InvalidTag, ValueError) as error:  # ValueError: no base64, or too short for a nonce
            raise NotOpened from error

    def _bound_to(self, place: str) -> bytes:
        return f"{self.lineage}/{place}".encode()


def wrap_for_recipient(data_key: SealingKey, recipient: str) -> AgeWrap:
    """The data key for an age X25519 recipient. Raises KeyInvalid."""
    return AgeWrap(recipient=recipient, key=b64encode(age.encrypt_for(data_key.key, recipient)).decode())


def unwrap_with_identity(wrap: AgeWrap, secret_key: str) -> bytes | None:
    """The data key, or None where the identity doesn't open it."""
    try:
        return _whole(age.decrypt_with(secret_key, b64decode(wrap.key, validate=True)))
    except ValueError:
        return None


def wrap_by_passphrase(data_key: SealingKey, passphrase: str) -> PassphraseWrap:
    """The data key under a passphrase."""
    salt = os.urandom(_SALT_LENGTH)
    outer = SealingKey(_stretch(passphrase, salt, _SCRYPT_N, _SCRYPT_R, _SCRYPT_P), data_key.lineage)
    return PassphraseWrap(
        n=_SCRYPT_N,
        r=_SCRYPT_R,
        p=_SCRYPT_P,
        salt=b64encode(salt).decode(),
        key=outer.seal(data_key.key, _PASSPHRASE_PLACE),
    )


def unwrap_by_passphrase(wrap: PassphraseWrap, passphrase: str, lineage: str) -> bytes | None:
    """The data key, or None where the passphrase doesn't open it."""
    try:
        salt = b64decode(wrap.salt, validate=True)
        outer = SealingKey(_stretch(passphrase, salt, wrap.n, wrap.r, wrap.p), lineage)
        return _whole(outer.open(wrap.key, _PASSPHRASE_PLACE))
    except (NotOpened, ValueError):
        return None


def _stretch(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=KEY_LENGTH, n=n, r=r, p=p).derive(passphrase.encode())


def _whole(key: bytes | None) -> bytes | None:
    return key if key is not None and len(key) == KEY_LENGTH else None
