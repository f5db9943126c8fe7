"""What tests of bad input share: a lab host that nothing may change, and an operator who is about to change it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.lab import Lab
from tests.support.operator import Ended, Operator

HOST = "fit"
SUDO = "/home/admin/.sudo_as_admin_successful"
"""Debian's sudo notes there that it has been used."""


@dataclass
class Site:
    """A fit host, as it was when it was made, and the folder of an operator who has described a cluster."""

    lab: Lab
    prepared: Path
    address: str = field(init=False)
    pristine: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lab("up", HOST)
        self.address = self.lab.address(HOST)
        self.pristine = self.lab.listing(HOST, SUDO)
        Operator(self.prepared, self.lab).prepare()

    def on_host(self, script: str) -> str:
        """Run a script on the host as root."""
        return self.lab("ssh", HOST, "--", script)

    def assert_pristine(self) -> None:
        """Nothing is other on the host's disk than when it was made."""
        changed = self.lab.listing(HOST, SUDO) ^ self.pristine
        assert not changed, changed

    @contextlib.contextmanager
    def where(self, made: str, unmade: str) -> Iterator[None]:
        """The host in another condition for a while. Nothing of it may be on its disk: mounts and /run aren't."""
        self.on_host(f"set -e; {made}")
        try:
            yield
        finally:
            self.on_host(unmade)

    @contextlib.contextmanager
    def second_sshd(self, options: str = "", inside: str = "") -> Iterator[int]:
        """Another sshd on the host, on the port that this gives, perhaps inside of something else."""
        run = f"systemd-run --quiet --unit=second-sshd {inside} /usr/sbin/sshd -D -p 2222 -o PidFile=none {options}"
        with self.where(run, "systemctl stop second-sshd"):
            deadline = time.monotonic() + 20
            while not self._answers(2222):
                assert time.monotonic() < deadline, "the second sshd doesn't answer"
                time.sleep(0.05)
            yield 2222

    def _answers(self, port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.address, port), 1) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
        return False


@dataclass
class Laptop(Operator):
    """An operator with a folder of its own, and the site's host to make a master of."""

    site: Site = field(kw_only=True)

    def create(self, *options: str) -> list[str]:
        """The arguments that make the host a master, without asking."""
        return ["create", "machine", "--ip", self.site.address, "--role", "master", "--yes", *options]

    def plan(self, *options: str) -> list[str]:
        """Those that only say what that would do."""
        return ["plan", "create", "machine", "--ip", self.site.address, "--role", "master", *options]

    def preflight(self, *options: str) -> list[str]:
        """Those that only see whether the host is fit for it."""
        return ["preflight", "--ip", self.site.address, "--role", "master", *options]

    def kept(self) -> dict[str, bytes]:
        """The state file and its generations."""
        return {path.name: path.read_bytes() for path in self.folder.glob("cctl-state.yaml*") if _state(path)}

    def refused(self, *arguments: str, rc: int) -> str:
        """What a command says that must refuse: with this exit code, the host untouched and the state file as it was.

        Several spaces and line ends are told as one.
        """
        before = self.kept()
        ended = self(*arguments, rc=rc, timeout=120)
        assert self.kept() == before, ended.err
        self.site.assert_pristine()
        assert ended.out == ""
        return in_one_line(ended)


def in_one_line(ended: Ended) -> str:
    """An error in one line. It must be one for people: what is wrong, and what to do."""
    assert "error:" in ended.err, ended.err
    assert "what to do:" in ended.err, ended.err
    assert "Traceback" not in ended.err
    return " ".join(ended.err.split())


def laptop(site: Site, folder: Path) -> Laptop:
    """An operator whose state file has the credential and the cluster, and nothing else."""
    shutil.copytree(site.prepared, folder, dirs_exist_ok=True)
    return Laptop(folder, site.lab, site=site)


def other_laptop(site: Site, folder: Path, *, user: str = "root", key: str | None = None) -> Laptop:
    """An operator with a state file of another history, which has this credential and no cluster."""
    made = Laptop(folder, site.lab, site=site)
    made("create", "credential", "--user", user, "--private-key", key or made.key)
    return made


def flip(path: Path, needle: bytes) -> None:
    """Change one byte in the middle of what is found, as a failing disk does."""
    content = bytearray(path.read_bytes())
    content[content.index(needle) + len(needle) // 2] ^= 1
    path.write_bytes(content)


def _state(path: Path) -> bool:
    return path.is_file() and path.suffix != ".lock"
