"""Signing keys in minisign's file format, encrypted by a passphrase (scrypt, as libsodium does it) or not.

The file is a comment and a line of base64: ``Ed``, the derivation (``Sc``, or two zeros for none), ``B2``, salt (32
bytes), two limits of libsodium's ``crypto_pwhash_scryptsalsa208sha256`` (8 bytes each, little-endian), and, xored with
the derived key, the key id (8), Ed25519 seed and public key (64) and BLAKE2b-256 over ``Ed``, id and key (32).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from klusterkit.bundle.errors import WrongPassphrase
from klusterkit.bundle.minisign import PublicKey, Signature, sign
from klusterkit.engine.errors import UsageError

_HEAD = struct.Struct("<2s2s2s32sQQ")
_ENCRYPTED, _PLAIN, _CHECKSUM = b"Sc", bytes(2), b"B2"
_SECRET = 104
_BLOCK_SIZE = 8
"""scrypt's r: libsodium never takes another."""
MOST_MEMORY = 1 << 30
"""Bytes that deriving may take: what minisign itself asks for. A hostile file can't ask for more."""
OPERATIONS, MEMORY = 1 << 25, 1 << 30
"""The limits that new keys get, minisign's own: three seconds and a gigabyte, once for each signature."""


@dataclass(frozen=True)
class SigningKey:
    """A key that bundles are signed with."""

    key_id: bytes
    _seed: bytes = field(repr=False)

    @classmethod
    def create(cls) -> SigningKey:
        """A new one."""
        return cls(secrets.token_bytes(8), secrets.token_bytes(32))

    @classmethod
    def parse(cls, content: bytes, passphrase: Callable[[], str] | None, where: str) -> SigningKey:
        """From a file's content.

        Args:
            content: of the file.
            passphrase: asks for it, if the key is encrypted; None where nobody can be asked.
            where: the file, for messages.

        Raises:
            UsageError: it is no signing key, or is encrypted and nobody can be asked.
            WrongPassphrase: it isn't opened by that.
        """
        head, body = _split(content, where)
        algorithm, derivation, checksum, salt, operations, memory = _HEAD.unpack(head)
        if (algorithm, checksum) != (b"Ed", _CHECKSUM) or derivation not in (_ENCRYPTED, _PLAIN):
            raise _no_key(where)
        if derivation == _ENCRYPTED:
            if passphrase is None:
                raise UsageError(
                    f"the signing key {where} has a passphrase, and there is no terminal to ask on",
                    hint="name a file that holds it: KLUSTERKIT_BUNDLE_PASSPHRASE_FILE",
                )
            stream = _derived(passphrase(), salt, operations, memory, where)
            body = bytes(one ^ other for one, other in zip(body, stream, strict=True))
        key_id, seed, public, digest = body[:8], body[8:40], body[40:72], body[72:]
        # minisign leaves the digest of an unencrypted key out.
        right = hmac.compare_digest(digest, _digest(body[:72])) or (derivation == _PLAIN and not any(digest))
        key = cls(key_id, seed)
        if not right or key.public.raw != public:
            raise WrongPassphrase(
                f"the passphrase doesn't open the signing key {where}"
                if derivation == _ENCRYPTED
                else f"the signing key {where} is damaged",
                hint="type it again, or take another copy of the key",
            )
        return key

    @property
    def public(self) -> PublicKey:
        """What others verify with."""
        return PublicKey(self.key_id, self._private.public_key().public_bytes_raw())

    def file(self, passphrase: str | None, *, operations: int = OPERATIONS, memory: int = MEMORY) -> bytes:
        """As a file has it: encrypted by a passphrase, or not. It is a secret either way."""
        body = self.key_id + self._seed + self.public.raw
        body += _digest(body)
        salt = secrets.token_bytes(32)
        if passphrase is None:
            head = _HEAD.pack(b"Ed", _PLAIN, _CHECKSUM, bytes(32), 0, 0)
        else:
            head = _HEAD.pack(b"Ed", _ENCRYPTED, _CHECKSUM, salt, operations, memory)
            stream = _derived(passphrase, salt, operations, memory, "")
            body = bytes(one ^ other for one, other in zip(body, stream, strict=True))
        kind = "encrypted" if passphrase is not None else "unencrypted"
        return f"untrusted comment: minisign {kind} secret key\n{base64.b64encode(head + body).decode()}\n".encode()

    def sign(self, content: bytes, comment: str) -> Signature:
        """Sign the content, with a trusted comment."""
        return sign(content, self.key_id, self._private, comment)

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._seed)


def _split(content: bytes, where: str) -> tuple[bytes, bytes]:
    lines = content.strip().split(b"\n")
    try:
        payload = base64.b64decode(lines[-1].strip(), validate=True)
    except binascii.Error:
        payload = b""
    if len(lines) != 2 or len(payload) != _HEAD.size + _SECRET:
        raise _no_key(where)
    return payload[: _HEAD.size], payload[_HEAD.size :]


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(b"Ed" + body, digest_size=32).digest()


def _derived(passphrase: str, salt: bytes, operations: int, memory: int, where: str) -> bytes:
    cost, parallel = _parameters(operations, memory)
    if 128 * _BLOCK_SIZE * cost > MOST_MEMORY or parallel > 16:
        raise UsageError(
            f"opening the signing key {where} would take more than {MOST_MEMORY >> 20} MiB of memory, or for ever",
            hint="it is damaged: take another copy of it",
        )
    return Scrypt(salt=salt, length=_SECRET, n=cost, r=_BLOCK_SIZE, p=parallel).derive(passphrase.encode())


def _parameters(operations: int, memory: int) -> tuple[int, int]:
    """scrypt's N and p for limits of libsodium (``pickparams`` of its pwhash_scryptsalsa208sha256)."""
    operations = max(operations, 32768)
    limit = operations // (_BLOCK_SIZE * 4) if operations < memory // 32 else memory // (_BLOCK_SIZE * 128)
    exponent = 1
    while exponent < 63 and (1 << exponent) <= limit // 2:
        exponent += 1
    if operations < memory // 32:
        return 1 << exponent, 1
    return 1 << exponent, min(operations // 4 // (1 << exponent), 0x3FFFFFFF) // _BLOCK_SIZE


def _no_key(where: str) -> UsageError:
    return UsageError(f"{where} is no signing key", hint="make one: cctl bundle key --out FILE")
