"""Hosts serve each other artifacts, so that the control machine sends each of them once.

What comes from another host is only believed for its SHA-256, so it travels in the clear, by HTTP. Who may ask knows a
token, which is drawn anew for every run. Neither Python nor a web server is needed: systemd hands each connection to a
shell script.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from importlib import resources
from typing import ClassVar

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.host import HOME, File
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks.artifacts import ARTIFACTS, EXECUTABLE, Upload, place
from klusterkit.tasks.asked import PEER_SERVER
from klusterkit.tasks.gates import listens, wait_until

PORT = 10290
SECRET = "peers.key"  # noqa: S105 - its name
"""What tokens are made from; in the state file."""

FOLDER = f"{HOME}/peers"
UNIT = "klusterkit-peers.service"
LONGEST = 12 * 3600
"""Seconds after which a server ends by itself, whatever became of the run."""


def token(on: Context) -> str:
    """What those have to know who ask a host of this run."""
    return hmac.digest(on.secret(SECRET), f"peers of {on.run}".encode(), "sha256").hex()


@cache
def _script(name: str) -> str:
    return resources.files("klusterkit.tasks").joinpath("shell", name).read_text()


class Serve(Step):
    """Serve the artifacts in KlusterKit's folder to the other hosts of the run, until the run ends that."""

    kind: ClassVar[str] = "artifact.serve"

    address: str
    """The host's own, that others reach it by."""
    port: int = PORT

    @property
    def title(self) -> str:
        """What it does."""
        return f"serve artifacts to the other hosts, at port {self.port}"

    @property
    def subject(self) -> str:
        """What the server is made of."""
        return FOLDER

    def observe(self, on: Context) -> Observation:
        """Whether a server of this run is there."""
        known = self._files(on)
        entries = on.host.stat(*(file.path for file in known))
        same = all(
            entry.sha256 == hashlib.sha256(file.content).hexdigest() for file, entry in zip(known, entries, strict=True)
        )
        satisfied = same and _active(on)
        return Observation(satisfied=satisfied, before={}, reason="" if satisfied else "no server of this run")

    def apply(self, on: Context, before: Before) -> None:
        """Start it; one of an earlier run is replaced."""
        _ = before
        _stop(on)
        on.host.mkdir([ARTIFACTS, FOLDER], 0o700)
        on.host.write(*self._files(on))
        host = f"[{self.address}]" if ":" in self.address else self.address
        sandbox = ("ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "NoNewPrivileges=yes")
        limits = (f"RuntimeMaxSec={LONGEST}", "MemoryMax=512M", "TasksMax=256")
        settings = [word for each in (*sandbox, *limits) for word in ("--property", each)]
        # A socket unit that accepts needs a template beside it, which systemd-run doesn't make (tried with 252).
        server = [
            PEER_SERVER,
            "--listen",
            f"{host}:{self.port}",
            "--accept",
            "--inetd",
            "/bin/sh",
            f"{FOLDER}/serve.sh",
        ]
        command = ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}", *settings, *server, FOLDER]
        ended = on.host.run(command)
        if not ended.ok:
            raise self._failed(on, ended.said)
        # systemd-run doesn't wait for it, and whoever finds nobody there gets all from the control machine.
        wait_until(on, self._missing, title=self.title)

    def undo(self, on: Context, before: Before) -> None:
        """End it."""
        _ = before
        _stop(on)
        on.host.remove(FOLDER, recursive=True)

    def _missing(self, on: Context) -> str:
        if listens(on, self.port):
            return ""
        if not _active(on):
            raise self._failed(on, f"{UNIT} has ended")
        return f"nothing listens at port {self.port} yet"

    @staticmethod
    def _failed(on: Context, seen: str) -> CommandFailed:
        return CommandFailed(
            f"artifacts can't be served from {on.host.name}",
            host=on.host.name,
            seen=seen,
            hint=f"see `journalctl -u {UNIT}`; everything else goes on without it",
        )

    def _files(self, on: Context) -> tuple[File, File]:
        return (
            File(path=f"{FOLDER}/token", content=f"{token(on)}\n".encode(), mode=0o600),
            File(path=f"{FOLDER}/serve.sh", content=_script("serve.sh").encode(), mode=0o600),
        )


class EndServing(Step):
    """End the server, when nobody needs it any more."""

    kind: ClassVar[str] = "artifact.unserve"
    undoing: ClassVar[Undo] = Undo.NOTHING

    @property
    def title(self) -> str:
        """What it does."""
        return "serve no more"

    def observe(self, on: Context) -> Observation:
        """Whether it has ended."""
        there = on.host.stat(FOLDER)[0].type != "absent" or _active(on)
        return Observation(satisfied=not there, before={}, reason="it still serves" if there else "")

    def apply(self, on: Context, before: Before) -> None:
        """End it, and remove what it was made of."""
        _ = before
        _stop(on)
        on.host.remove(FOLDER, recursive=True)


class Fetch(Upload):
    """Bring an artifact to the host from another one that has it; what none of them gives comes from here."""

    kind: ClassVar[str] = "artifact.fetch"

    peers: tuple[str, ...]
    """``HOST:PORT`` of those that should have it by now, the nearest first."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"fetch {self.name} ({self.size / 1e6:.1f} MB) from {' or '.join(self.peers)}"

    def apply(self, on: Context, before: Before) -> None:
        """Fetch it. What came before, from wherever, is gone on with, and all of it is verified in the end."""
        _ = before
        on.host.mkdir(ARTIFACTS, 0o700)
        settings = {
            "peers": " ".join(self.peers),
            "token": token(on),
            "sha256": self.sha256,
            "size": str(self.size),
            "part": f"{place(self.sha256)}.part",
        }
        lines = "".join(f"{name}='{value}'\n" for name, value in settings.items())
        on.host.job(on.key, ["/bin/sh", "-s"], stdin=f"{lines}{_script('fetch.sh')}".encode(), timeout=on.timeout)
        on.host.upload(on.artifact(self.sha256), self.sha256, place(self.sha256), EXECUTABLE)


def _active(on: Context) -> bool:
    return on.host.run(["systemctl", "is-active", "--quiet", UNIT]).ok


def _stop(on: Context) -> None:
    on.host.run(["systemctl", "stop", UNIT])
    on.host.run(["systemctl", "reset-failed", UNIT])
