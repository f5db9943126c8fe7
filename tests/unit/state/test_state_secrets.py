"""Sealed values: what is in the file, what opens it, and what can't be moved."""

import re
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.state import KeySource, Lock, SecretDamaged, SecretMissing, StateFile, StateKeyMissing
from klusterkit.state.sealing import NotOpened, SealingKey

LINEAGE = "6f0a0f0e-0000-4000-8000-000000000000"
CANARY = b"-----BEGIN PRIVATE KEY----- canary"


def with_secrets(state: StateFile, **secrets: bytes) -> None:
    snapshot = state.snapshot
    for name, value in secrets.items():
        snapshot = state.with_secret(snapshot, name, value)
    state.fold(snapshot)


def moved(path: Path, source: str, target: str) -> None:
    """Put one sealed value where another one stands, and make every hash right again."""
    text = path.read_text()
    value = re.search(rf"^  {source}:\n    sealed: (.*)\n", text, re.MULTILINE)
    assert value is not None
    text = re.sub(rf"(^  {target}:\n    sealed: ).*\n", rf"\g<1>{value[1]}\n", text, flags=re.MULTILINE)
    renew_digest(path, text)


def renew_digest(path: Path, text: str) -> None:
    import hashlib

    body = text[: text.index("\ndigest: ") + 1]
    path.write_text(f"{body}digest: sha256:{hashlib.sha256(body.encode()).hexdigest()}\n")


@given(st.binary(max_size=200), st.text(max_size=30))
def test_what_is_sealed_opens_at_its_place(value: bytes, place: str) -> None:
    key = SealingKey.generate(LINEAGE)

    assert key.open(key.seal(value, place), place) == value


@given(st.binary(max_size=40), st.data())
def test_any_changed_byte_of_a_sealed_value_is_noticed(value: bytes, data: st.DataObject) -> None:
    key = SealingKey.generate(LINEAGE)
    sealed = bytearray(b64decode(key.seal(value, "secrets/a")))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(NotOpened):
        key.open(b64encode(sealed).decode(), "secrets/a")


@given(st.text(max_size=10), st.text(max_size=10))
def test_a_value_opens_at_no_other_place(here: str, there: str) -> None:
    key = SealingKey.generate(LINEAGE)
    if here != there:
        with pytest.raises(NotOpened):
            key.open(key.seal(b"value", here), there)


def test_a_value_opens_in_no_other_lineage() -> None:
    key = SealingKey.generate(LINEAGE)

    with pytest.raises(NotOpened):
        SealingKey(key.key, LINEAGE.replace("6", "7")).open(key.seal(b"value", "secrets/a"), "secrets/a")


def test_equal_values_look_different() -> None:
    key = SealingKey.generate(LINEAGE)

    assert len({key.seal(b"value", "secrets/a") for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "é"])
def test_text_that_never_was_sealed_does_not_open(text: str) -> None:
    with pytest.raises(NotOpened):
        SealingKey.generate(LINEAGE).open(text, "secrets/a")


def test_a_secret_is_read_back_by_the_next_command(state: StateFile, path: Path, keys: KeySource) -> None:
    with_secrets(state, ca=CANARY, token=b"")

    loaded = StateFile.load(path, keys)
    assert loaded.secret("ca").get_secret_value() == CANARY
    assert loaded.secret("token").get_secret_value() == b""
    assert set(loaded.snapshot.secrets) == {"ca", "token"}


def test_a_secret_is_nowhere_in_the_clear(state: StateFile, path: Path) -> None:
    with_secrets(state, ca=CANARY)
    secret = state.secret("ca")

    for file in path.parent.iterdir():
        assert b"canary" not in file.read_bytes()
        assert b64encode(CANARY)[:20] not in file.read_bytes()
    shown = f"{secret} {secret!r} {state.snapshot!r} {state.__dict__!r} {state._vault.__dict__!r}"
    assert "canary" not in shown
    assert str(state._vault.key.key) not in shown


def test_a_value_moved_to_another_name_does_not_open(state: StateFile, path: Path, keys: KeySource) -> None:
    with_secrets(state, ca=CANARY, token=b"token")
    moved(path, "ca", "token")

    loaded = StateFile.load(path, keys)

    assert loaded.secret("ca").get_secret_value() == CANARY
    with pytest.raises(SecretDamaged, match="secrets/token"):
        loaded.secret("token")


def test_a_value_copied_from_another_cluster_does_not_open(
    state: StateFile, path: Path, keys: KeySource, held: Lock
) -> None:
    other = StateFile.create(path.with_name("other.yaml"), keys)
    foreign = other.with_secret(other.snapshot, "ca", b"theirs").secrets
    before = path.read_bytes()

    with pytest.raises(SecretDamaged):
        state.fold(state.snapshot.model_copy(update={"secrets": foreign}))

    assert path.read_bytes() == before


def test_a_missing_secret_is_told_with_those_that_are_there(state: StateFile) -> None:
    with_secrets(state, ca=b"x")

    with pytest.raises(SecretMissing) as raised:
        state.secret("etcd-ca")

    assert "'etcd-ca'" in raised.value.message
    assert "its secrets are: ca" in raised.value.hint


def test_a_secret_can_be_replaced_and_removed(state: StateFile) -> None:
    with_secrets(state, ca=b"one")
    assert state.secret("ca").get_secret_value() == b"one"

    with_secrets(state, ca=b"two")
    assert state.secret("ca").get_secret_value() == b"two"

    state.fold(state.without_secret(state.snapshot, "ca"))
    assert state.snapshot.secrets == {}


def test_a_name_that_is_no_name_is_refused(state: StateFile) -> None:
    with pytest.raises(ValueError, match="secrets"):
        state.with_secret(state.snapshot, "two\nlines", b"x")


def test_everything_but_secrets_is_read_without_a_key(state: StateFile, path: Path) -> None:
    with_secrets(state, ca=b"x")

    loaded = StateFile.load(path)

    assert loaded.snapshot.serial == 2
    with pytest.raises(StateKeyMissing):
        loaded.secret("ca")


def test_plain_text_says_so_every_time(path: Path, held: Lock) -> None:
    state = StateFile.create(path, None, lock=held)
    with_secrets(state, ca=b"x")

    for _ in range(2):
        loaded = StateFile.load(path)
        assert loaded.plaintext
        assert any("PLAIN TEXT" in notice for notice in loaded.notices)
        assert loaded.secret("ca").get_secret_value() == b"x"


def test_a_sealed_file_says_nothing_of_plain_text(state: StateFile) -> None:
    assert not state.plaintext
    assert not any("PLAIN" in notice for notice in state.notices)


def test_a_plain_value_in_a_sealed_file_is_refused(state: StateFile, path: Path, keys: KeySource) -> None:
    """Otherwise whoever can write to the file could put a secret of their own into it."""
    with_secrets(state, ca=b"x")
    renew_digest(path, re.sub(r"sealed: \S+\nruns", "plain: eA==\nruns", path.read_text()))

    with pytest.raises(Exception, match="not kept as encryption"):
        StateFile.load(path, keys)
