"""The system's ssh is called with what the state knows, and with nothing of it in its arguments that is secret."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from klusterkit.engine.errors import UsageError
from klusterkit.hosts import HostKeys, PrivateKey, load_private_key
from klusterkit.hosts.opening import Login
from klusterkit.hosts.openssh import run_ssh

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
KNOWN = [f"10.0.0.5 {HOST_KEY}", f"[10.0.0.9]:2222 {HOST_KEY}", f"10.0.0.7 {HOST_KEY}"]

SSH = f"""#!{sys.executable}
import json, os, pathlib, subprocess, sys
options = dict(pair.split("=", 1) for flag, pair in zip(sys.argv, sys.argv[1:]) if flag == "-o")
known = pathlib.Path(options["UserKnownHostsFile"])
agent = os.environ | {{"SSH_AUTH_SOCK": options["IdentityAgent"]}}
keys = subprocess.run(["ssh-add", "-l"], env=agent, capture_output=True)
said = {{"arguments": sys.argv[1:], "options": options, "known": known.read_text(), "keys": keys.stdout.decode(),
        "folder": oct(known.parent.stat().st_mode & 0o777)}}
pathlib.Path(os.environ["SAID"]).write_text(json.dumps(said))
%s
"""


class Terminal:
    """A machine whose ssh is a stand-in that writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        self.key: PrivateKey = load_private_key(key.read_bytes())
        self.ssh("sys.exit(7)")

    def ssh(self, ending: str) -> None:
        (self.folder / "ssh").write_text(SSH % ending)
        (self.folder / "ssh").chmod(0o755)

    def run(self, *command: str, jump: Login | None = None, tty: bool = False) -> int:
        login = Login(address="10.0.0.5", user="admin", port=22, key=self.key)
        return run_ssh(login, self.key, HostKeys(KNOWN, (), (), None), command, jump=jump, tty=tty)

    @property
    def said(self) -> dict[str, Any]:
        return json.loads((self.folder / "said").read_text())


@pytest.fixture(name="terminal")
def _terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SAID", str(tmp_path / "said"))
    return made


def test_it_gets_the_key_by_an_agent_and_only_the_keys_of_its_hosts(terminal: Terminal) -> None:
    assert terminal.run("uname", "-r") == 7

    said = terminal.said
    assert said["arguments"][-3:] == ["10.0.0.5", "uname", "-r"]
    assert terminal.key.fingerprint in said["keys"]
    assert said["known"].splitlines() == KNOWN[:1]
    assert said["options"]["StrictHostKeyChecking"] == "yes"
    assert ("-l", "admin") in zip(said["arguments"], said["arguments"][1:], strict=False)
    assert said["folder"] == "0o700"
    assert not Path(said["options"]["UserKnownHostsFile"]).exists(), "it is gone with the command"


def test_a_jump_host_is_entered_with_the_same_key_and_its_own_host_key(terminal: Terminal) -> None:
    terminal.run("true", jump=Login(address="10.0.0.9", user="gate", port=2222, key=terminal.key))

    through = terminal.said["options"]["ProxyCommand"]
    assert "-l gate" in through
    assert "-p 2222" in through
    assert through.endswith("-W '[%h]:%p' 10.0.0.9")
    assert terminal.said["known"].splitlines() == KNOWN[:2]


def test_a_terminal_is_given_where_it_is_wanted(terminal: Terminal) -> None:
    terminal.run("top", tty=True)
    assert "-t" in terminal.said["arguments"]
    terminal.run("top")
    assert "-t" not in terminal.said["arguments"]


def test_a_signal_that_ends_it_is_told_as_shells_do(terminal: Terminal) -> None:
    terminal.ssh("os.kill(os.getpid(), 9)")
    assert terminal.run() == 137


def test_ctrl_c_is_for_the_program_at_the_other_end(terminal: Terminal) -> None:
    pressed = terminal.folder / "pressed"
    terminal.ssh(
        "import signal, time; signal.signal(2, lambda *_: sys.exit(5))\n"
        f"while not pathlib.Path({str(pressed)!r}).exists(): time.sleep(0.01)\n"
        "time.sleep(0.5); sys.exit(6)"
    )

    def press() -> None:
        while not (terminal.folder / "said").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)  # to this process alone, where a terminal would tell both
        pressed.touch()

    threading.Thread(target=press, daemon=True).start()
    assert terminal.run() == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_ssh_it_says_so(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="no ssh on this machine"):
        terminal.run()
