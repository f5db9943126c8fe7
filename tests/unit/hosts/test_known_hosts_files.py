"""Files of host keys that hold something else are told when a host's key is missed, and hinder nobody before."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import paramiko
import pytest

from klusterkit.hosts import HostKeys
from klusterkit.hosts.errors import UnknownHostKey

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
KEY = paramiko.PKey.from_type_string("ssh-ed25519", b64decode(ED25519.split()[1]))
OF_A_TYPE_TO_COME = "ssh-future AAAACnNzaC1mdXR1cmUAAAAEAQIDBA=="


def seen(tmp_path: Path, content: bytes) -> str:
    """What is said where the key of a host isn't known."""
    path = tmp_path / "known_hosts"
    path.write_bytes(content)
    with pytest.raises(UnknownHostKey) as caught:
        HostKeys(files=[path]).check("m1", "10.0.0.5", 22, KEY)
    return str(caught.value.seen).replace(str(path), "FILE")


def test_a_line_that_is_no_host_key_is_told_with_file_and_line(tmp_path: Path) -> None:
    content = f"# ours\n\n10.0.0.6 {ED25519}\nwhat is this?\n"
    assert seen(tmp_path, content.encode()).endswith(
        "; FILE, line 4 is no host key: what is not understood counts for nothing"
    )


def test_a_file_of_garbage_is_told_once(tmp_path: Path) -> None:
    assert "FILE, line 1 is no host key, nor are 2 lines more: " in seen(
        tmp_path, b"\xff\x0b\x00 x\nPK\x03\nab cd ef\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        f"10.0.0.6 {ED25519}",
        f"10.0.0.6,[10.0.0.7]:2222 {ED25519} a comment",
        f"|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {ED25519}",
        f"@cert-authority *.example.com {ED25519}",
        f"@revoked * {ED25519[:-4]}AAAA",
        f"10.0.0.6 {OF_A_TYPE_TO_COME}",
        "# a comment",
    ],
)
def test_nothing_is_said_of_lines_that_are_right_or_of_a_later_time(tmp_path: Path, line: str) -> None:
    assert "line" not in seen(tmp_path, f"{line}\n".encode())


def test_a_host_whose_key_is_known_is_not_kept_waiting_for_other_lines(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"garbage\n10.0.0.5 {ED25519}\n")
    HostKeys(files=[path]).check("m1", "10.0.0.5", 22, KEY)
