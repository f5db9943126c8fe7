"""Questions are asked on a terminal, and never hang where there is none."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from klusterkit.cli import terminal
from klusterkit.engine.errors import UsageError

ASK = """
from klusterkit.cli.terminal import confirmed, host_key_question
from klusterkit.hosts.errors import UnknownHostKey
import sys
what = sys.argv[1]
unknown = UnknownHostKey("m1", "m1 (10.0.0.5)", "ssh-ed25519", "SHA256:abc", "", ["/x, line 1"])
answer = confirmed("Do it?", yes=None) if what == "confirm" else host_key_question()(unknown)
print("ANSWER", answer)
"""


def on_a_terminal(what: str, typed: bytes) -> str:
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", ASK, what], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, typed)
    said = b""
    try:
        while chunk := os.read(master, 4096):
            said += chunk
    except OSError:  # Linux says so when the other end is closed
        pass
    process.wait(timeout=20)
    os.close(master)
    return said.decode()


@pytest.mark.parametrize(("typed", "answer"), [(b"y\n", True), (b"YES\n", True), (b"n\n", False), (b"\n", False)])
def test_only_yes_is_yes(typed: bytes, answer: bool):
    said = on_a_terminal("confirm", typed)
    assert "Do it? [y/N]" in said
    assert f"ANSWER {answer}" in said
    assert ("Cancelled: nothing was done." in said) is not answer


def test_the_end_of_input_is_no():
    assert "ANSWER False" in on_a_terminal("confirm", b"\x04")


def test_an_unknown_host_key_is_asked_about_with_its_fingerprint():
    said = on_a_terminal("key", b"y\n")
    assert "the key of m1 (10.0.0.5) is not known" in said
    assert "SHA256:abc" in said
    assert "(/x, line 1 is no host key: " in said
    assert "ANSWER True" in said


def test_without_a_terminal_nothing_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115, PTH123
    with pytest.raises(UsageError, match="no terminal") as refused:
        terminal.confirmed("Do it?", yes=None)
    assert "--yes" in str(refused.value.hint)
    assert terminal.host_key_question() is None
    assert terminal.passphrase_question() is None
    assert terminal.key_passphrase_question() is None


def test_a_terminal_that_has_gone_since_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch):
    there = iter([True, False])
    monkeypatch.setattr(terminal, "terminal", lambda: next(there))
    refuse = terminal.unasked(yes=None)
    refuse()
    refuse()


def test_yes_on_the_command_line_is_the_answer():
    assert terminal.confirmed("Do it?", yes=True)
