"""A real registry: Debian's docker-registry, with TLS, for those who have an account."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import yaml

from tests.support.debian import program

USERNAME, PASSWORD = "operator", "correct-horse-battery"


@dataclass(frozen=True)
class RealRegistry:
    """One that runs.

    Attributes:
        place: ``HOST:PORT``.
        ca: its certificate, which is its own authority.
        password_file: holds the password.
        log: what it was asked, a line each.
    """

    place: str
    ca: Path
    password_file: Path
    log: Path

    @property
    def options(self) -> tuple[str, ...]:
        """What lets cctl in."""
        account = ("--registry-username", USERNAME, "--registry-password-file", str(self.password_file))
        return ("--registry", f"{self.place}/site", "--registry-ca", str(self.ca), *account)

    def change_password(self, password: str) -> Path:
        """Let the account in by another password alone, from the next question on. Returns the file that holds it."""
        folder = self.password_file.parent
        _let_in(folder, password)
        new = folder / "new-password"
        new.write_text(f"{password}\n")
        return new

    def asked(self, method: str) -> list[str]:
        """Requests of a method that it granted."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if f'"{method} /v2/' in line and '" 2' in line]


def free_place(address: str) -> str:
    """``HOST:PORT`` at which nobody listens."""
    with socket.create_server((address, 0)) as probe:
        return f"{address}:{probe.getsockname()[1]}"


@contextmanager
def real_registry(folder: Path, address: str) -> Iterator[RealRegistry]:
    """Start one at a port of its own of this machine's address."""
    made = RealRegistry(free_place(address), folder / "registry.crt", folder / "password", folder / "registry.log")
    made.password_file.write_text(f"{PASSWORD}\n")
    (folder / "registry.yaml").write_text(yaml.safe_dump(_configuration(folder, address, made.place)))
    with made.log.open("w") as log:
        command = [program("docker-registry", "usr/bin/docker-registry"), "serve", folder / "registry.yaml"]
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            listening(process, made.place)
            yield made
        finally:
            process.terminate()
            process.wait()


def _configuration(folder: Path, address: str, place: str) -> dict[str, object]:
    key, cert = folder / "registry.key", folder / "registry.crt"
    names = f"subjectAltName=IP:{address}"
    self_signed = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=registry", "-addext", names]
    subprocess.run(["openssl", "req", *self_signed, "-keyout", key, "-out", cert], check=True, capture_output=True)
    accounts = _let_in(folder, PASSWORD)
    return {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": place, "tls": {"certificate": str(cert), "key": str(key)}, "secret": "of its own"},
        "auth": {"htpasswd": {"realm": "registry", "path": str(accounts)}},
    }


def _let_in(folder: Path, password: str) -> Path:
    """Who may come in. The registry reads it anew whenever it has changed."""
    accounts = folder / "htpasswd"
    accounts.write_text(f"{USERNAME}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n")
    return accounts


def listening(process: subprocess.Popen[bytes], place: str) -> None:
    """Wait until a server answers at ``HOST:PORT``."""
    host, _, port = place.rpartition(":")
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"nobody answers at {place}")
