"""Private keys that open hosts. They come from the state file and are never written to a disk."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from klusterkit.hosts.errors import KeyUnusable
from klusterkit.hosts.sshlibrary import paramiko

_TYPES: dict[type, type[paramiko.PKey]] = {
    ed25519.Ed25519PrivateKey: paramiko.Ed25519Key,
    rsa.RSAPrivateKey: paramiko.RSAKey,
    ec.EllipticCurvePrivateKey: paramiko.ECDSAKey,
}


@dataclass(frozen=True)
class PrivateKey:
    """A private key without a passphrase. Two are equal when their public keys are: the format has random bytes.

    Attributes:
        content: in OpenSSH's format. A secret.
        key_type: such as ``ssh-ed25519``.
        fingerprint: of the public key, ``SHA256:…``, as ``ssh-keygen -l`` prints it.
    """

    content: bytes = field(repr=False, compare=False)
    key_type: str
    fingerprint: str
    key: paramiko.PKey = field(repr=False, compare=False)


def load_private_key(
    content: bytes, passphrase: Callable[[], str] | None = None, where: str = "the private key"
) -> PrivateKey:
    """Read a private key: OpenSSH or PEM (PKCS#1, PKCS#8, SEC1); Ed25519, RSA or ECDSA.

    Args:
        content: of the file.
        passphrase: asks for the passphrase, if the key has one.
        where: what to call the key in an error, such as its path.

    Raises:
        KeyUnusable: it isn't such a key, has a passphrase that nobody gives, or the passphrase is wrong.
    """
    try:
        loaded = _load(content, None)
    except TypeError:  # what cryptography raises for a key that has a passphrase
        loaded = _load_encrypted(content, passphrase, where)
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable(f"{where} is not a private key in OpenSSH's or PEM format", content) from None
    plain = loaded.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    for kind, reader in _TYPES.items():
        if isinstance(loaded, kind):
            key = reader(file_obj=io.StringIO(plain.decode()))  # pyright: ignore[reportCallIssue]
            return PrivateKey(plain, key.get_name(), fingerprint(key.asbytes()), key)
    raise KeyUnusable(f"{where} is of a type that can't be used", hint="use an Ed25519, RSA or ECDSA key")


def fingerprint(key: bytes) -> str:
    """Of a public key in its wire format (RFC 4253, 6.6), as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def public_key(kind: str, blob: str) -> bytes | None:
    """In its wire format, from two words of a line such as ``ssh-ed25519 AAAA…``; None if they are none."""
    try:
        key = base64.b64decode(blob, validate=True)
    except ValueError:
        return None
    # RFC 4253 6.6: the key begins with the length and the name of its kind.
    return key if key.startswith(len(kind).to_bytes(4, "big") + kind.encode()) else None


def _load_encrypted(content: bytes, passphrase: Callable[[], str] | None, where: str):
    if passphrase is None:
        raise KeyUnusable(
            f"{where} has a passphrase", hint="give the command on a terminal, where it can ask; or use a key without"
        )
    try:
        return _load(content, passphrase().encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnusable(f"this is not the passphrase of {where}", hint="try again") from None


def _load(content: bytes, password: bytes | None):
    if b"BEGIN OPENSSH PRIVATE KEY" in content:
        return serialization.load_ssh_private_key(content, password)
    return serialization.load_pem_private_key(content, password)


def _unusable(message: str, content: bytes) -> KeyUnusable:
    if content.startswith((b"ssh-", b"ecdsa-")):
        return KeyUnusable(message, seen="this is a public key", hint="name the file without .pub")
    if b"PuTTY-User-Key-File" in content:
        return KeyUnusable(message, seen="a PuTTY key", hint="convert it: puttygen KEY -O private-openssh")
    return KeyUnusable(message, hint="make one with `ssh-keygen -t ed25519`")
