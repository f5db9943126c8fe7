"""Where keys come from, and what is said when none opens a file."""

import stat
from pathlib import Path

import pytest

from klusterkit.state import (
    IdentityFile,
    KeyInvalid,
    KeySource,
    Passphrase,
    StateFile,
    StateInUse,
    StateKeyMissing,
    default_identity_path,
    key_source,
    lock,
)
from klusterkit.state import age as age_keys


def identity(folder: Path, name: str) -> tuple[IdentityFile, str]:
    secret, public = age_keys.generate()
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(f"# a comment\n\n{secret}\n")
    return IdentityFile(path), public


def saying(passphrase: str) -> Passphrase:
    return Passphrase(lambda _new: passphrase)


def make(path: Path, keys: KeySource | None) -> None:
    with lock(path, "test") as held:
        state = StateFile.create(path, keys, lock=held)
        state.fold(state.with_secret(state.snapshot, "ca", b"value"))


def opened(path: Path, keys: KeySource) -> bytes:
    return StateFile.load(path, keys).secret("ca").get_secret_value()


def test_the_first_command_makes_a_key_and_says_to_keep_it(path: Path, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    keys = key_source(environ=environ)

    state = StateFile.create(path, keys)

    made = tmp_path / "config/klusterkit/identity.txt"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    notice = next(notice for notice in state.notices if str(made) in notice)
    assert "Carry it along" in notice
    assert "add recipients" in notice
    lines = made.read_text().splitlines()
    assert lines[0].startswith("# created: ")
    assert lines[1] == f"# public key: {state.snapshot.encryption.recipients[0]}"
    assert lines[2].startswith("AGE-SECRET-KEY-1")


def test_the_second_command_uses_the_key_and_says_nothing(path: Path, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    make(path, key_source(environ=environ))

    later = key_source(environ=environ)

    assert opened(path, later) == b"value"
    assert StateFile.load(path, later).notices == ()


def test_a_second_state_file_says_that_the_same_key_opens_it(path: Path, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    make(path, key_source(environ=environ))

    (notice,) = StateFile.create(path.with_name("two"), key_source(environ=environ)).notices

    assert notice.startswith(f"sealed for your key: {tmp_path}/klusterkit/identity.txt")
    assert "Carry it along" in notice


def test_reading_makes_no_key(path: Path, tmp_path: Path, keys: KeySource) -> None:
    make(path, keys)

    with pytest.raises(StateKeyMissing, match="no such file"):
        StateFile.load(path, key_source(environ={"XDG_CONFIG_HOME": str(tmp_path / "config")}))

    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/home/a"}, "/home/a/.config/klusterkit/identity.txt"),
        ({"HOME": "/home/a", "XDG_CONFIG_HOME": "/conf"}, "/conf/klusterkit/identity.txt"),
        ({"HOME": "/home/a", "XDG_CONFIG_HOME": ""}, "/home/a/.config/klusterkit/identity.txt"),
    ],
)
def test_the_default_follows_the_base_directory_specification(environ: dict[str, str], expected: str) -> None:
    assert default_identity_path(environ) == Path(expected)


def test_sources_come_in_their_order(path: Path, tmp_path: Path) -> None:
    named, named_key = identity(tmp_path, "named")
    by_variable, variable_key = identity(tmp_path, "variable")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery\n")
    environ = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "KLUSTERKIT_IDENTITY_FILE": str(by_variable.path),
        "KLUSTERKIT_PASSPHRASE_FILE": str(passphrase),
    }

    def first(source: KeySource) -> tuple[str, ...]:
        path.unlink(missing_ok=True)
        return StateFile.create(path, source).snapshot.encryption.recipients

    assert first(key_source(identity=named.path, environ=environ)) == (named_key,)
    assert first(key_source(environ=environ)) == (variable_key,)
    del environ["KLUSTERKIT_IDENTITY_FILE"]
    assert first(key_source(environ=environ)) == ()
    assert opened_by_passphrase(path, "correct horse battery")


def opened_by_passphrase(path: Path, passphrase: str) -> bool:
    try:
        StateFile.load(path, saying(passphrase))
    except StateKeyMissing:
        return False
    return True


def test_a_passphrase_opens_what_it_sealed_and_another_does_not(path: Path) -> None:
    make(path, saying("correct horse battery"))

    assert opened(path, saying("correct horse battery")) == b"value"
    assert not opened_by_passphrase(path, "incorrect horse battery")


def test_a_passphrase_is_asked_for_where_a_file_has_one_and_only_there(path: Path, tmp_path: Path) -> None:
    asked: list[bool] = []

    def ask(new: bool) -> str:
        asked.append(new)
        return "correct horse battery"

    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    make(path, key_source(ask_passphrase=ask, environ=environ))
    assert opened(path, key_source(ask_passphrase=ask, environ=environ)) == b"value"
    assert asked == []

    path.unlink()
    make(path, key_source(ask_passphrase=ask, prefer_passphrase=True, environ=environ))
    assert asked == [True]
    assert opened(path, key_source(ask_passphrase=ask, environ=environ)) == b"value"
    assert asked == [True, False]


def test_a_short_passphrase_is_refused_for_a_new_file(path: Path) -> None:
    with pytest.raises(KeyInvalid, match="too short"):
        StateFile.create(path, saying("eleven char"))

    assert list(path.parent.iterdir()) == []


def test_a_file_for_somebody_else_names_them_and_what_was_tried(path: Path, tmp_path: Path) -> None:
    theirs, their_key = identity(tmp_path, "theirs")
    ours, our_key = identity(tmp_path, "ours")
    make(path, theirs)

    with pytest.raises(StateKeyMissing) as raised:
        StateFile.load(path, ours)

    error = raised.value
    assert error.exit_code == 3
    assert their_key in error.message
    assert str(ours.path) in error.message
    assert our_key in error.message
    assert "recipient" in error.hint
    assert ours.path.read_text().splitlines()[-1] not in f"{error.message} {error.hint}"


def test_an_identity_file_may_hold_several(path: Path, tmp_path: Path) -> None:
    one, _ = identity(tmp_path, "one")
    two, _ = identity(tmp_path, "two")
    make(path, two)
    one.path.write_text(one.path.read_text() + two.path.read_text())

    assert opened(path, one) == b"value"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no identity in"),
        (b"# public key: age1xyz\n", "no identity in"),
        (b"ssh-ed25519 AAAA\n", "no age X25519 identity"),
        (b"\xff\xfe\x00", "can't read"),
    ],
)
def test_an_identity_file_without_identity_is_told(path: Path, tmp_path: Path, content: bytes, message: str) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(content)

    with pytest.raises(KeyInvalid, match=message) as raised:
        StateFile.create(path, IdentityFile(wrong))

    assert str(wrong) in raised.value.message
    assert not path.exists()


def test_a_named_identity_file_that_is_missing_is_told(path: Path, tmp_path: Path) -> None:
    """Also where the default would open the file: what the operator named is what counts."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    make(path, key_source(environ=environ))

    with pytest.raises(KeyInvalid, match="No such file"):
        StateFile.load(path, key_source(identity=tmp_path / "missing", environ=environ))


def test_an_identity_file_that_others_can_read_is_told(path: Path, tmp_path: Path) -> None:
    exposed, _ = identity(tmp_path, "exposed")
    exposed.path.chmod(0o644)

    assert any("chmod 600" in notice for notice in StateFile.create(path, exposed).notices)


def test_a_recipient_added_opens_the_file_too(path: Path, tmp_path: Path) -> None:
    first, first_key = identity(tmp_path, "first")
    second, second_key = identity(tmp_path, "second")
    make(path, first)

    with lock(path, "test") as held:
        StateFile.load(path, first, lock=held).add_recipient(second_key)

    assert opened(path, first) == opened(path, second) == b"value"
    assert StateFile.load(path).snapshot.encryption.recipients == (first_key, second_key)


def test_a_recipient_removed_opens_nothing_any_more_not_even_with_the_old_data_key(path: Path, tmp_path: Path) -> None:
    first, _ = identity(tmp_path, "first")
    second, second_key = identity(tmp_path, "second")
    make(path, first)
    with lock(path, "test") as held:
        state = StateFile.load(path, first, lock=held)
        state.add_recipient(second_key)
        old_key = state._vault.key
        state.remove_recipient(second_key)

    with pytest.raises(StateKeyMissing):
        StateFile.load(path, second)
    loaded = StateFile.load(path, first)
    assert loaded.secret("ca").get_secret_value() == b"value"
    assert loaded._vault.key != old_key


def test_the_last_recipient_and_a_stranger_cannot_be_removed(path: Path, tmp_path: Path) -> None:
    first, first_key = identity(tmp_path, "first")
    _, stranger = identity(tmp_path, "stranger")
    make(path, first)

    with lock(path, "test") as held:
        state = StateFile.load(path, first, lock=held)
        for key in (first_key, stranger):
            with pytest.raises(KeyInvalid, match="can't be removed"):
                state.remove_recipient(key)

    assert opened(path, first) == b"value"


def test_removing_a_recipient_beside_a_passphrase_needs_the_passphrase(path: Path, tmp_path: Path) -> None:
    phrase = saying("correct horse battery")
    second, second_key = identity(tmp_path, "second")
    make(path, phrase)

    with lock(path, "test") as held:
        state = StateFile.load(path, phrase, lock=held)
        state.add_recipient(second_key)
        with pytest.raises(KeyInvalid, match="passphrase"):
            state.remove_recipient(second_key)
        state.remove_recipient(second_key, phrase)

    assert opened(path, phrase) == b"value"
    with pytest.raises(StateKeyMissing):
        StateFile.load(path, second)


@pytest.mark.parametrize("text", ["", "age1", "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1"])
def test_what_is_no_recipient_is_refused(path: Path, keys: KeySource, text: str) -> None:
    make(path, keys)

    with lock(path, "test") as held, pytest.raises(KeyInvalid, match="no age X25519 recipient"):
        StateFile.load(path, keys, lock=held).add_recipient(text)


def test_a_plaintext_file_is_encrypted_by_new_keys_and_back(path: Path, keys: KeySource) -> None:
    make(path, None)

    with lock(path, "test") as held:
        state = StateFile.load(path, keys, lock=held)
        with pytest.raises(KeyInvalid, match="plain text"):
            state.add_recipient(age_keys.generate()[1])
        state.rekey(keys)
        assert not state.plaintext
        assert b"dmFsdWU" not in path.read_bytes()
        assert opened(path, keys) == b"value"
        state.rekey(None)

    assert StateFile.load(path).secret("ca").get_secret_value() == b"value"


def test_keys_stay_as_they_are_while_a_run_is_in_progress(path: Path, keys: KeySource) -> None:
    """Its records hold values under the present data key, and a fold would end it."""
    make(path, keys)

    with lock(path, "test") as held:
        state = StateFile.load(path, keys, lock=held)
        state.append({"n": 1})
        with pytest.raises(StateInUse) as raised:
            state.add_recipient(age_keys.generate()[1])

    assert "resume" in raised.value.hint
    assert StateFile.load(path, keys).records == [{"n": 1}]
