"""Signatures as minisign(1) makes and verifies them: Ed25519 over the BLAKE2b-512 digest of the content ("ED").

A signature is four lines: an untrusted comment; base64 of algorithm, key id and signature; a trusted comment; base64 of
a second signature, over the first one and the trusted comment. Only that form is taken; minisign's older one, which
signs the content itself, isn't.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from klusterkit.bundle.errors import NotTrusted
from klusterkit.engine.errors import UsageError

_KEY = b"Ed"
_PREHASHED = b"ED"
_UNTRUSTED = "untrusted comment: "
_TRUSTED = "trusted comment: "
SIGNATURE_LIMIT = 4096
"""Bytes of a signature's text; minisign allows its comments 1 and 8 KiB, ours are shorter."""


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are verified with. ``key_id`` is a number without meaning that tells keys apart."""

    key_id: bytes
    raw: bytes

    @classmethod
    def parse(cls, text: str, where: str = "the public key") -> PublicKey:
        """From the one line of base64, or from the two lines of a ``.pub`` file. Raises ``UsageError``."""
        lines = [line.strip() for line in text.strip().splitlines()]
        payload = _decoded(lines[-1]) if lines else b""
        comment = len(lines) == 1 or (len(lines) == 2 and lines[0].startswith(_UNTRUSTED))
        if not comment or len(payload) != 42 or payload[:2] != _KEY:
            raise UsageError(
                f"{where} is no public key for signatures",
                hint="it is a line of 56 characters that begins with RW: `cctl bundle key` and `minisign -G` print it",
            )
        return cls(payload[2:10], payload[10:])

    @property
    def text(self) -> str:
        """Its one line of base64."""
        return base64.b64encode(_KEY + self.key_id + self.raw).decode()

    @property
    def name(self) -> str:
        """Its id as minisign prints it."""
        return name_of(self.key_id)

    @property
    def file(self) -> str:
        """As a ``.pub`` file has it."""
        return f"{_UNTRUSTED}minisign public key {self.name}\n{self.text}\n"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made the signature of the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def name_of(key_id: bytes) -> str:
    """An id as minisign prints it."""
    return key_id[::-1].hex().upper()


@dataclass(frozen=True)
class Signature:
    """A signature's parts. Nothing of it is trusted before :func:`verify` has returned it."""

    key_id: bytes
    signature: bytes
    comment: str
    """The trusted comment: it is signed too."""
    comment_signature: bytes

    @classmethod
    def parse(cls, content: bytes) -> Signature:
        """From its text. Raises ``NotTrusted`` when it is none."""
        if len(content) > SIGNATURE_LIMIT:
            raise _malformed(f"it has more than {SIGNATURE_LIMIT} bytes")
        try:
            head, first, comment, second = content.decode().removesuffix("\n").split("\n")
        except ValueError:
            raise _malformed("it isn't four lines of text") from None
        made, over = _decoded(first), _decoded(second)
        if not head.startswith(_UNTRUSTED) or not comment.startswith(_TRUSTED) or len(over) != 64:
            raise _malformed("its lines aren't those of a minisign signature")
        if len(made) != 74 or made[:2] != _PREHASHED:
            raise _malformed("it isn't a prehashed Ed25519 signature; sign with minisign 0.10 or later, or cctl")
        return cls(made[2:10], made[10:], comment.removeprefix(_TRUSTED), over)

    @property
    def content(self) -> bytes:
        """Its text."""
        first = base64.b64encode(_PREHASHED + self.key_id + self.signature).decode()
        second = base64.b64encode(self.comment_signature).decode()
        lines = (f"{_UNTRUSTED}signature by key {name_of(self.key_id)}", first, f"{_TRUSTED}{self.comment}", second)
        return "".join(f"{line}\n" for line in lines).encode()


def _malformed(why: str) -> NotTrusted:
    return NotTrusted(f"the signature can't be read: {why}", hint="sign again: cctl bundle sign")


def verify(content: bytes, signature: bytes, keys: Iterable[PublicKey]) -> Signature:
    """The signature, if one of the keys made it for this content. Raises ``NotTrusted``."""
    parsed = Signature.parse(signature)
    known = list(keys)
    key = next((key for key in known if key.key_id == parsed.key_id), None)
    if key is None:
        trusted = ", ".join(key.name for key in known) or "none"
        raise NotTrusted(
            f"it is signed by the key {name_of(parsed.key_id)}, which isn't trusted",
            seen=f"trusted: {trusted}",
            hint="if that key's owner is right, trust it: cctl bundle trust KEY",
        )
    right = key.verifies(parsed.signature, hashlib.blake2b(content).digest())
    if not right or not key.verifies(parsed.comment_signature, parsed.signature + parsed.comment.encode()):
        raise NotTrusted(
            f"the signature by the key {key.name} doesn't belong to this content",
            hint="what was signed has been changed since: get it again from where it was made",
        )
    return parsed


def sign(content: bytes, key_id: bytes, key: Ed25519PrivateKey, comment: str) -> Signature:
    """A signature of the content with a trusted comment (one line)."""
    made = key.sign(hashlib.blake2b(content).digest())
    return Signature(key_id, made, comment, key.sign(made + comment.encode()))


def _decoded(line: str) -> bytes:
    """Empty where it isn't base64 in the one way to write it: the last digit has bits to spare."""
    try:
        content = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return content if base64.b64encode(content).decode() == line else b""
