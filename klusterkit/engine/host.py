"""What a host is to a step: files, programs, and long programs that outlive the connection.

Steps see this protocol and nothing else, so that the same step runs over SSH, on the host itself and on the simulated
host of the tests. A program is a list of arguments, never shell text: quoting is the transport's business, and a
simulated host needs no shell.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.facts import Facts

HOME = "/var/lib/klusterkit"
"""KlusterKit's own directory on a host (0700, root): records of long programs, kept bytes, uploaded artifacts."""


class Entry(BaseModel):
    """What stands at a path. For a path without anything, all but ``type`` is empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    type: Literal["absent", "file", "directory", "symlink", "other"]
    mode: int = 0
    owner: str = ""
    """``user:group``, by name where the host knows one."""
    size: int = 0
    sha256: str = ""
    """Of a regular file's content."""
    target: str = ""
    """Of a symbolic link."""


class File(BaseModel):
    """A file as it should be. Content may be secret: it is not shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    content: bytes
    mode: int = 0o644
    owner: str = "root:root"

    def __repr__(self) -> str:
        return f"File({self.path!r}, {len(self.content)} bytes, {self.mode:o})"

    __str__ = __repr__


class Completed(BaseModel):
    """How a program ended. Output is kept up to a megabyte each, the end of it where there was more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rc: int
    out: bytes = b""
    err: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.rc == 0

    @property
    def text(self) -> str:
        """Standard output without white space around it."""
        return self.out.decode(errors="replace").strip()

    @property
    def said(self) -> str:
        """The last lines of what it said, errors first: for an error message."""
        words = self.err.decode(errors="replace").strip() or self.text
        return "\n".join(words.splitlines()[-8:])


class JobState(BaseModel):
    """What the host's own record says of a long program."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["none", "running", "ended", "vanished"]
    """``vanished``: it was started, is no longer alive, and left no result (the host was switched off, say)."""
    completed: Completed | None = None


class Host(Protocol):
    """One host. Every method raises ``HostUnreachable`` when the connection is lost; none changes more than it says."""

    @property
    def name(self) -> str:
        """The machine's name in the plan."""
        ...

    def facts(self) -> Facts:
        """Look at the host, in one round trip."""
        ...

    def neighbour(self, address: str, interface: str) -> str:
        """The hardware address of whoever answers for an address in the network of an interface; empty if nobody does.

        The network is asked anew (ARP, RFC 826; for IPv6 RFC 4861): the host forgets what it remembers of this
        neighbour, and nothing else changes. To find that nobody answers takes half a second.
        """
        ...

    def stat(self, *paths: str) -> tuple[Entry, ...]:
        """What stands at each path, in that order, in one round trip. Links are not followed."""
        ...

    def read(self, path: str) -> bytes:
        """A file's content (16 MiB at most). Raises ``FileNotFoundError``."""
        ...

    def write(self, *files: File) -> None:
        """Write each file whole or not at all: a temporary file beside it, flushed, renamed over it.

        The temporary file has its final mode and owner before it has content. Missing folders are an error: they are
        somebody's step. All files go in one round trip.
        """
        ...

    def mkdir(self, path: str | Sequence[str], mode: int = 0o755, owner: str = "root:root") -> None:
        """Make one folder or several, in this order, or give those that are there this mode and owner.

        Parents have to exist. All folders go in one round trip.
        """
        ...

    def remove(self, *paths: str, recursive: bool = False) -> None:
        """Remove what stands there; nothing there is fine. A folder must be empty unless ``recursive``.

        A recursive removal never crosses into a mounted file system.
        """
        ...

    def keep(self, path: str, place: str) -> None:
        """Copy what stands at ``path`` (with mode, owner, times and attributes) to ``place``, unless a copy is there.

        ``place`` is below :data:`HOME`; the copy appears whole or not at all, and is flushed. Nothing at ``path``
        leaves nothing at ``place``.
        """
        ...

    def put_back(self, place: str, path: str) -> None:
        """Make ``path`` exactly what was kept at ``place``, whole or not at all. The kept copy stays."""
        ...

    def upload(self, source: Path, sha256: str, path: str, mode: int = 0o644) -> None:
        """Bring a large file from here to the host, resuming what an earlier upload left; renamed only when its
        checksum is right. Raises ``PermanentError`` where the source itself has another checksum.
        """
        ...

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run a short program as root and wait. Secrets go by ``stdin``, never by ``argv``.

        Raises ``StepTimeout`` after ``timeout`` seconds, when the program has been ended. A program that isn't there
        ends with status 127.
        """
        ...

    def job(self, key: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 600.0) -> Completed:
        """Run a long program that outlives the connection, and wait for its end.

        The host keeps its record under ``key``. With a record there already, the program is not started again: a
        running one is waited for, an ended one's result is returned. The next attempt needs another key. Raises
        ``StepTimeout`` when it has been ended after ``timeout`` seconds since its start.
        """
        ...

    def job_state(self, key: str) -> JobState:
        """What the host knows about the program with this key."""
        ...

    def job_stop(self, key: str) -> None:
        """End the program with this key and all that it started, and wait until they are gone. None is fine."""
        ...
