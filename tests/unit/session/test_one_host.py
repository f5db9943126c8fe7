"""What ``etcdadm`` and ``nodeadm`` hold: the host, its state file, secrets that are files there, a checked snapshot."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.engine.errors import PermanentError, UsageError
from klusterkit.session.host.hold import Place, host_at, open_on_host
from klusterkit.session.host.snapshotfile import checked_snapshot
from klusterkit.session.running.records import UNSEALED
from klusterkit.session.settings import Settings


@pytest.mark.parametrize(
    ("text", "user", "address", "port", "name"),
    [
        ("10.0.0.5", "root", "10.0.0.5", None, "10.0.0.5"),
        ("admin@10.0.0.5:2222", "admin", "10.0.0.5", 2222, "10.0.0.5"),
        ("host.example", "root", "host.example", None, "host.example"),
        ("[fd00::5]:2222", "root", "fd00::5", 2222, "fd00--5"),
        ("fd00::5", "root", "fd00::5", None, "fd00--5"),
    ],
)
def test_a_host_is_named_as_ssh_names_it(text, user, address, port, name, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    place = host_at(text)
    login = place.target.login
    assert login is not None
    assert (login.user, login.address, login.port, place.name) == (user, address, port, name)
    assert place.state == tmp_path / "klusterkit" / "hosts" / f"{name}.yaml"
    assert not place.here


@pytest.mark.parametrize("text", ["", "root@", "10.0.0.5:ssh", "[]:22"])
def test_what_names_no_host_is_refused(text):
    with pytest.raises(UsageError, match="doesn't name a host"):
        host_at(text)


@pytest.fixture
def local(tmp_path):
    """This machine, with a shell that isn't root's where we aren't."""
    from klusterkit.hosts import Target

    place = Place("m1", Target(), tmp_path / "deep" / "state.yaml")
    return place, Settings(state=place.state, cache=tmp_path / "cache")


def test_the_first_command_that_writes_makes_the_state_and_one_that_changes_nothing_leaves_none(local):
    place, settings = local
    with open_on_host(settings, place, write="init") as hold:
        assert hold.state.path.exists()
        assert hold.snapshot.secrets == {}
    assert not place.state.exists()


def test_looking_leaves_nothing_anywhere(local):
    place, settings = local
    with open_on_host(settings, place, write=None) as hold:
        assert hold.run is None
    assert not place.state.parent.exists()


def test_a_secret_is_a_file_on_the_host_and_masked_from_then_on(local, monkeypatch, tmp_path):
    place, settings = local
    key = tmp_path / "ca.key"
    monkeypatch.setattr("klusterkit.session.host.hold.AUTHORITIES", {"etcd-ca": str(tmp_path / "ca")})
    with open_on_host(settings, place, write="init") as hold:
        with pytest.raises(PermanentError, match="not there yet"):
            hold.secret("etcd-ca.key")
        key.write_text("-----BEGIN EC PRIVATE KEY-----\nverysecretline\n-----END EC PRIVATE KEY-----\n")
        assert hold.secret("etcd-ca.key") == key.read_bytes()
        assert "verysecretline" not in hold.mask("said: verysecretline")


def test_what_was_done_to_the_host_is_kept_there_unsealed_as_the_state_has_no_secret(local):
    place, settings = local
    with open_on_host(settings, place, write="init") as hold:
        assert hold.records == UNSEALED


def test_a_file_of_the_operators_is_kept_for_the_run_alone_and_from_others(local, tmp_path):
    place, settings = local
    saved = tmp_path / "saved"
    saved.write_bytes(b"all that a cluster knows")
    with open_on_host(settings, place, write="init") as hold:
        kept = hold.artifact(hold.take_file(saved))
        assert kept.read_bytes() == saved.read_bytes()
        assert kept.is_relative_to(place.state.parent)
    assert not kept.exists()
    assert saved.exists()


CONTENTS = st.binary(min_size=1, max_size=2000).map(lambda data: data * (512 // len(data) + 1))


def with_hash(content: bytes) -> bytes:
    content = content[: len(content) // 512 * 512]
    return content + hashlib.sha256(content).digest()


@given(content=CONTENTS)
def test_a_whole_snapshot_is_taken(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("snapshot") / "saved"
    path.write_bytes(with_hash(content))
    assert checked_snapshot(path, hash_known=True) == path


@given(content=CONTENTS, at=st.integers(0, 511), bit=st.integers(0, 7))
def test_a_snapshot_with_one_other_bit_is_refused(content, at, bit, tmp_path_factory):
    whole = bytearray(with_hash(content))
    whole[at] ^= 1 << bit
    path = tmp_path_factory.mktemp("snapshot") / "saved"
    path.write_bytes(whole)
    with pytest.raises(UsageError, match="damaged"):
        checked_snapshot(path, hash_known=True)


@given(content=CONTENTS, less=st.integers(1, 511))
def test_a_snapshot_that_was_cut_short_is_refused(content, less, tmp_path_factory):
    path = tmp_path_factory.mktemp("snapshot") / "saved"
    path.write_bytes(with_hash(content)[:-less])
    with pytest.raises(UsageError, match="no hash"):
        checked_snapshot(path, hash_known=True)


def test_a_copied_database_is_taken_where_the_operator_says_so(tmp_path):
    path = tmp_path / "db"
    path.write_bytes(b"0" * 512)
    assert checked_snapshot(path, hash_known=False) == path
    with pytest.raises(UsageError, match="can't be read"):
        checked_snapshot(Path(tmp_path, "none"), hash_known=False)
    Path(tmp_path, "empty").touch()
    with pytest.raises(UsageError, match="empty"):
        checked_snapshot(Path(tmp_path, "empty"), hash_known=False)
