"""Private keys are read in the formats that people have them in, and refused with words where they can't be used."""

import subprocess

import pytest

from klusterkit.hosts import load_private_key
from klusterkit.hosts.errors import KeyUnusable


def keygen(path, *options):
    subprocess.run(["ssh-keygen", "-q", "-f", str(path), *options], check=True)
    return path.read_bytes()


def fingerprint(path):
    return subprocess.run(
        ["ssh-keygen", "-lf", f"{path}.pub"], check=True, capture_output=True, text=True
    ).stdout.split()[1]


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_a_key_of_any_common_kind_and_format_is_read(tmp_path, kind, form):
    content = keygen(tmp_path / "key", "-t", kind, "-m", form, "-N", "")
    key = load_private_key(content)
    assert key.fingerprint == fingerprint(tmp_path / "key")
    assert load_private_key(key.content) == key
    assert b"OPENSSH" in key.content


@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_a_passphrase_is_asked_for_and_taken_off(tmp_path, form):
    content = keygen(tmp_path / "key", "-t", "rsa", "-m", form, "-N", "correct horse")
    key = load_private_key(content, lambda: "correct horse")
    assert load_private_key(key.content).fingerprint == fingerprint(tmp_path / "key")
    with pytest.raises(KeyUnusable, match="not the passphrase"):
        load_private_key(content, lambda: "wrong")
    with pytest.raises(KeyUnusable, match="my-key has a passphrase"):
        load_private_key(content, None, "my-key")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "ssh-keygen"),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== me", "without .pub"),
        (b"PuTTY-User-Key-File-2: ssh-rsa\n", "puttygen"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nrubbish\n-----END OPENSSH PRIVATE KEY-----\n", "ssh-keygen"),
        (b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n", "ssh-keygen"),
        (b"\xff\xfe\0\1", "ssh-keygen"),
    ],
)
def test_what_is_no_private_key_is_refused_with_what_to_do(content, words):
    with pytest.raises(KeyUnusable) as caught:
        load_private_key(content, where="/home/me/.ssh/id_rsa")
    assert "/home/me/.ssh/id_rsa" in str(caught.value)
    assert words in caught.value.hint
    assert caught.value.exit_code == 3


def test_a_key_shows_nothing_of_itself(tmp_path):
    key = load_private_key(keygen(tmp_path / "key", "-t", "ed25519", "-N", ""))
    assert key.content.decode().splitlines()[1] not in repr(key)
    assert key.fingerprint in repr(key)
