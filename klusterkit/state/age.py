"""The border to ``pyrage`` (age-encryption.org/v1): typed, and with errors of our own."""

from __future__ import annotations

from pyrage import DecryptError, IdentityError, RecipientError, decrypt, encrypt, x25519

from klusterkit.state.errors import KeyInvalid

SECRET_PREFIX = "AGE-SECRET-KEY-1"  # noqa: S105 - the format's own prefix, no secret


def generate() -> tuple[str, str]:
    """A new X25519 identity: its secret key and its public key, as text."""
    identity = x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def public_key(secret_key: str, where: str) -> str:
    """The recipient that belongs to an identity. Raises KeyInvalid."""
    try:
        return str(x25519.Identity.from_str(secret_key).to_public())
    except IdentityError as error:
        raise KeyInvalid(
            f"{where} holds something that is no age X25519 identity",
            where=where,
            hint=f"an identity is a line that begins with {SECRET_PREFIX}; age-keygen makes one",
        ) from error


def encrypt_for(value: bytes, recipient: str) -> bytes:
    """An age file that only the recipient opens. Raises KeyInvalid."""
    try:
        return encrypt(value, [x25519.Recipient.from_str(recipient)])
    except RecipientError as error:
        raise KeyInvalid(
            f"{recipient!r} is no age X25519 recipient",
            where="recipient",
            hint="a recipient is the line 'public key: age1…' of an identity file; age-keygen -y prints it",
        ) from error


def decrypt_with(secret_key: str, data: bytes) -> bytes | None:
    """What an age file holds, or None where this identity doesn't open it."""
    try:
        return decrypt(data, [x25519.Identity.from_str(secret_key)])
    except DecryptError:
        return None
