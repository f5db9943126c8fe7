"""Signatures are minisign's: it verifies ours and we verify its own, and nothing else passes for one."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klusterkit.bundle.errors import NotTrusted, WrongPassphrase
from klusterkit.bundle.minisign import PublicKey, Signature, verify
from klusterkit.bundle.signingkey import SigningKey, _parameters
from klusterkit.engine.errors import UsageError
from tests.support.bundles import KEY, STRANGER

# Made by minisign 0.11: `minisign -G -W`, and `minisign -S -m f -c 'my comment' -t bundle:abc` where f is "hello\n".
THEIR_KEY = b"""untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAY498dcWQSIPQX1jCv38rFp0d79m/CLb/6suT/7K4YnItue1gZfv8zYu8m9d/Rv7j8UIkfOLV4WyNQwFpNMbUQc4dF5sb+3B6AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
"""
THEIR_PUBLIC_KEY = """untrusted comment: minisign public key 834890C5757C8F63
RWRjj3x1xZBIg4u8m9d/Rv7j8UIkfOLV4WyNQwFpNMbUQc4dF5sb+3B6
"""
THEIR_SIGNATURE = b"""untrusted comment: my comment
RURjj3x1xZBIg82veIe5KyJG5Atr6bU6xeQFAJ/usp3mRUx3DGD7BRFBsDYDaWjX7O5KMR7yzUwueeU/neDXmc2N3+dLFaiXlgU=
trusted comment: bundle:abc
tyFwC99QFXHGbbGeMYqOlrZ8HIFnMSVDaBevk109yrVmv/jlDKLp2Sm37Y/QjOsMrW5TGec19Pl1B5qARnOKBQ==
"""
SAID = b"hello\n"


def no_passphrase() -> str:
    raise AssertionError("nobody was to be asked")


def test_what_minisign_signed_is_verified() -> None:
    key = PublicKey.parse(THEIR_PUBLIC_KEY)

    assert verify(SAID, THEIR_SIGNATURE, [key]).comment == "bundle:abc"
    assert key.name == "834890C5757C8F63"
    assert key.file == THEIR_PUBLIC_KEY


def test_a_key_that_minisign_made_signs_as_minisign_does() -> None:
    key = SigningKey.parse(THEIR_KEY, no_passphrase, "theirs")

    assert key.public == PublicKey.parse(THEIR_PUBLIC_KEY)
    assert key.sign(SAID, "bundle:abc").content.split(b"\n")[1:] == THEIR_SIGNATURE.split(b"\n")[1:]


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=5000), comment=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=100))
def test_what_was_signed_is_verified_with_its_comment(content: bytes, comment: str) -> None:
    if "\u2028" in comment:
        return
    signed = verify(content, KEY.sign(content, comment).content, [STRANGER.public, KEY.public])

    assert signed.comment == comment


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0), bit=st.integers(0, 7))
def test_a_signature_with_any_bit_changed_below_its_first_line_is_not_trusted(at: int, bit: int) -> None:
    content = bytearray(KEY.sign(SAID, "comment").content)
    first = content.index(b"\n")
    content[first + at % (len(content) - first)] ^= 1 << bit

    with pytest.raises(NotTrusted):
        verify(SAID, bytes(content), [KEY.public])


def test_a_comment_of_another_signature_is_not_trusted() -> None:
    one, other = KEY.sign(SAID, "one"), KEY.sign(b"else", "other")
    mixed = Signature(one.key_id, one.signature, other.comment, other.comment_signature)

    with pytest.raises(NotTrusted, match="doesn't belong"):
        verify(SAID, mixed.content, [KEY.public])


def test_a_signature_that_takes_the_id_of_a_trusted_key_is_not_trusted() -> None:
    forged = SigningKey(KEY.key_id, STRANGER._seed)

    with pytest.raises(NotTrusted, match="doesn't belong"):
        verify(SAID, forged.sign(SAID, "x").content, [KEY.public])


def legacy(text: bytes) -> bytes:
    lines = text.split(b"\n")
    lines[1] = base64.b64encode(b"Ed" + base64.b64decode(lines[1])[2:])
    return b"\n".join(lines)


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "a line more": lambda text: text + b"more\n",
    "a line less": lambda text: text.rsplit(b"\n", 2)[0] + b"\n",
    "no base64": lambda text: text.replace(b"RU", b"!!", 1),
    "of the content itself": legacy,
    "no text": lambda _: b"\xff" * 300,
    "other line ends": lambda text: text.replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_is_no_signature_is_not_trusted(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(NotTrusted, match="can't be read"):
        verify(SAID, spoil(KEY.sign(SAID, "x").content), [KEY.public])


@pytest.mark.parametrize("text", ["", "RW", "x" * 56, THEIR_SIGNATURE.decode(), "RWQ=\nRWQ=", THEIR_KEY.decode()])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no public key") as raised:
        PublicKey.parse(text)

    assert "AEIy" not in f"{raised.value.message}{raised.value.seen}{raised.value.hint}"


CHEAP = {"operations": 1 << 19, "memory": 1 << 24}


def test_a_key_under_a_passphrase_is_opened_by_it_alone() -> None:
    content = KEY.file("correct horse", **CHEAP)

    assert SigningKey.parse(content, lambda: "correct horse", "key") == KEY
    with pytest.raises(WrongPassphrase, match="doesn't open"):
        SigningKey.parse(content, lambda: "battery staple", "key")


def test_a_key_under_a_passphrase_says_what_to_do_where_nobody_can_be_asked() -> None:
    with pytest.raises(UsageError, match="no terminal") as raised:
        SigningKey.parse(KEY.file("x", **CHEAP), None, "key")

    assert "KLUSTERKIT_BUNDLE_PASSPHRASE_FILE" in str(raised.value.hint)


def test_a_key_without_passphrase_asks_nobody() -> None:
    assert SigningKey.parse(KEY.file(None), no_passphrase, "key") == KEY


def test_scrypt_gets_the_parameters_that_libsodium_takes_from_its_limits() -> None:
    assert _parameters(33554432, 1073741824) == (1 << 20, 1)  # minisign's own: "sensitive"
    assert _parameters(524288, 16777216) == (1 << 14, 1)  # "interactive"
    assert _parameters(1, 1 << 30) == (1 << 10, 1)


def test_a_key_that_asks_for_too_much_memory_is_refused() -> None:
    content = bytearray(base64.b64decode(KEY.file("x", **CHEAP).split(b"\n")[1]))
    content[38:54] = (1 << 60).to_bytes(8, "little") * 2
    spoilt = b"untrusted comment: x\n" + base64.b64encode(content) + b"\n"

    with pytest.raises(UsageError, match="MiB of memory"):
        SigningKey.parse(spoilt, lambda: "x", "key")


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 157), bit=st.integers(0, 7))
def test_a_signing_key_with_any_bit_changed_is_refused(at: int, bit: int) -> None:
    content = bytearray(base64.b64decode(KEY.file(None).split(b"\n")[1]))
    content[at] ^= 1 << bit
    if 6 <= at < 54:  # the salt and the limits mean nothing without a passphrase
        return

    with pytest.raises(UsageError):
        SigningKey.parse(b"untrusted comment: x\n" + base64.b64encode(content) + b"\n", None, "key")


def test_a_key_never_shows_its_secret() -> None:
    assert KEY._seed.hex() not in repr(KEY)
    assert repr(KEY._seed) not in repr(KEY)
    assert hashlib.sha256(KEY._seed).hexdigest() not in repr(KEY)
