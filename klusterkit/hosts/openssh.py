"""The system's own ssh, with keys that it gets from here: the private one by an agent, those of hosts by a file."""

from __future__ import annotations

import shlex
import signal
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from klusterkit.engine.errors import UsageError
from klusterkit.hosts.agent import agent
from klusterkit.hosts.credentials import PrivateKey
from klusterkit.hosts.hostkeys import HostKeys
from klusterkit.hosts.opening import Login

SSH_PORT = 22


def run_ssh(
    login: Login, key: PrivateKey, keys: HostKeys, command: Sequence[str], *, jump: Login | None = None, tty: bool
) -> int:
    """A shell or a command on a host, on this terminal. Returns the exit status of ssh.

    Args:
        login: how it is entered.
        key: the one that opens it.
        keys: which host keys are known. Any other is refused.
        command: what is run there, as ssh takes it; none for a shell.
        jump: the host that the connection goes through, entered with the same key.
        tty: whether a command gets a terminal, too.

    Raises:
        UsageError: there is no ssh on this machine.
    """
    # Of this user alone (mkdtemp(3)); it is gone before the command ends.
    with tempfile.TemporaryDirectory(prefix="cctl-") as name:
        folder = Path(name)
        lines = [line for each in (login, jump) if each for line in keys.lines(each.address, each.port or SSH_PORT)]
        (folder / "known_hosts").write_text("".join(f"{line}\n" for line in lines))
        with agent(key, folder / "agent"):
            return _run([*_ssh(login, folder, jump, tty=tty), *command])


def _run(arguments: Sequence[str]) -> int:
    try:
        process = subprocess.Popen(arguments)
    except FileNotFoundError:
        raise UsageError("there is no ssh on this machine", hint="install OpenSSH's client") from None
    with _signals_are_for(process):
        status = process.wait()
    return status if status >= 0 else 128 - status  # as shells say that a signal ended it


@contextmanager
def _signals_are_for(process: subprocess.Popen[bytes]) -> Generator[None]:
    """What Ctrl-C means is for the program at the other end to say: ssh hears of it from the terminal itself."""

    def ignore(*_: object) -> None:
        """A handler, unlike SIG_IGN, isn't inherited."""

    def end(*_: object) -> None:
        process.terminate()

    before = {number: signal.signal(number, act) for number, act in ((signal.SIGINT, ignore), (signal.SIGTERM, end))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ssh(login: Login, folder: Path, jump: Login | None, *, tty: bool) -> list[str]:
    options = _options(login, folder)
    if jump:
        through = shlex.join(["ssh", *_options(jump, folder), "-W"])
        options += ["-o", f"ProxyCommand={through} '[%h]:%p' {shlex.quote(jump.address)}"]
    return ["ssh", *options, *(["-t"] if tty else []), login.address]


def _options(login: Login, folder: Path) -> list[str]:
    settings = {
        "IdentityAgent": f"{folder}/agent",
        "IdentityFile": "none",
        "IdentitiesOnly": "no",
        "UserKnownHostsFile": f"{folder}/known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ForwardAgent": "no",
        "ControlPath": "none",
    }
    said = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return [*said, "-p", str(login.port or SSH_PORT), "-l", login.user]
