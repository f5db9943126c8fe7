"""The agent inside of cctl, asked by OpenSSH's own programs."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from klusterkit.hosts import load_private_key
from klusterkit.hosts.agent import agent


@pytest.fixture(name="kind", params=["ed25519", "rsa", "ecdsa"])
def _kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(name="public")
def _public(tmp_path: Path, kind: str) -> Path:
    """The public half; the private one is in no file any more."""
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub")


@pytest.fixture(name="place")
def _place(tmp_path: Path, public: Path) -> Iterator[Path]:
    private = public.with_suffix("")
    key = load_private_key(private.read_bytes())
    private.unlink()
    with agent(key, tmp_path / "agent"):
        yield tmp_path / "agent"


def asking(place: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SSH_AUTH_SOCK": str(place)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)


def test_it_lists_its_one_key(place: Path, public: Path) -> None:
    assert asking(place, "ssh-add", "-L").stdout.split()[:2] == public.read_text().split()[:2]


def test_it_signs_and_openssh_finds_the_signature_right(place: Path, public: Path, tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_text("hello")
    signed = asking(place, "ssh-keygen", "-Y", "sign", "-n", "test", "-f", public, message)
    assert signed.returncode == 0, signed.stderr
    signature = Path(f"{message}.sig")
    check = ["ssh-keygen", "-Y", "check-novalidate", "-n", "test", "-s", signature]
    assert subprocess.run(check, input=b"hello", capture_output=True).returncode == 0
    assert subprocess.run(check, input=b"other", capture_output=True).returncode != 0


@pytest.mark.parametrize("kind", ["ed25519"], indirect=True)
def test_it_takes_no_other_key_and_gives_none_away(place: Path, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    assert asking(place, "ssh-add", tmp_path / "other").returncode != 0
    (tmp_path / "message").write_text("hello")
    (tmp_path / "other").unlink()
    assert asking(
        place, "ssh-keygen", "-Y", "sign", "-n", "t", "-f", tmp_path / "other.pub", tmp_path / "message"
    ).returncode


@pytest.mark.parametrize("kind", ["ed25519"], indirect=True)
@pytest.mark.parametrize("nonsense", [b"", b"\0\0", struct.pack(">I", 1 << 30), struct.pack(">I", 0)])
def test_nonsense_ends_a_connection_and_nothing_else(place: Path, nonsense: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(place))
        client.sendall(nonsense)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    assert asking(place, "ssh-add", "-l").returncode == 0


@pytest.mark.parametrize("kind", ["ed25519"], indirect=True)
def test_it_is_gone_when_the_command_is(public: Path, tmp_path: Path) -> None:
    with agent(load_private_key(public.with_suffix("").read_bytes()), tmp_path / "agent"):
        assert (tmp_path / "agent").is_socket()
    assert not (tmp_path / "agent").exists()
