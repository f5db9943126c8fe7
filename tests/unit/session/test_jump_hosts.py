"""What ``--ssh-jump`` takes is what ``ssh -J`` takes."""

from __future__ import annotations

import getpass

import paramiko
import pytest

from klusterkit.engine.errors import UsageError
from klusterkit.hosts import PrivateKey, load_private_key
from klusterkit.session.connect import jump_login

ME = getpass.getuser()


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    import io

    file = io.StringIO()
    paramiko.ECDSAKey.generate().write_private_key(file)
    return load_private_key(file.getvalue().encode())


@pytest.mark.parametrize(
    ("text", "user", "address", "port"),
    [
        ("gate", ME, "gate", None),
        ("ops@gate.site.example:2222", "ops", "gate.site.example", 2222),
        ("ops@site@gate", "ops@site", "gate", None),
        ("10.0.0.1:22", ME, "10.0.0.1", 22),
        ("[fd00::5]:22", ME, "fd00::5", 22),
        ("ops@[fd00::5]", "ops", "fd00::5", None),
        ("fd00::5", ME, "fd00::5", None),
        ("ops@fd00::5", "ops", "fd00::5", None),
        ("::1", ME, "::1", None),
    ],
)
def test_a_jump_host_is_read(key: PrivateKey, text: str, user: str, address: str, port: int | None) -> None:
    login = jump_login(text, key)
    assert (login.user, login.address, login.port) == (user, address, port)


@pytest.mark.parametrize("text", ["", "@gate", "ops@", "gate:", "gate:ssh", "[fd00::5]:", "[fd00::5", "a:b", "[]:22"])
def test_what_names_no_jump_host_is_refused(key: PrivateKey, text: str) -> None:
    with pytest.raises(UsageError, match="names no host") as refused:
        jump_login(text, key)
    assert "in brackets" in str(refused.value.hint)
