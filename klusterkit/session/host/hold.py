"""One host by itself, as ``etcdadm`` and ``nodeadm`` handle it: this machine, or one that is named.

It has a state file of its own, for the journal and for what has ended. There are no secrets in that: authorities are
files on the host, where these tools have always had them, and secrets are read from there when a step needs them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from klusterkit.bundle import ArtifactStore
from klusterkit.bundle.store import sha256_of
from klusterkit.cluster import Machine
from klusterkit.engine.errors import PermanentError, UsageError
from klusterkit.engine.host import HOME
from klusterkit.foreign import words_of
from klusterkit.hosts import Fleet, Login, PrivateKey, Target, load_private_key
from klusterkit.session.connect import fleet_of_one, jump_login
from klusterkit.session.hold import Hold, expanded
from klusterkit.session.running.records import UNSEALED, Records
from klusterkit.session.settings import Settings
from klusterkit.state import StateFile, lock

FOLDER = "tools"
"""In KlusterKit's folder on a host: the state of what is done from the host itself."""
STATE = Path(HOME, FOLDER, "state.yaml")
CACHE = Path("/var/cache/klusterkit")
"""Where root keeps artifacts on a host."""

AUTHORITIES: Mapping[str, str] = {
    "etcd-ca": "/etc/etcd/pki/ca",
    "ca": "/etc/kubernetes/pki/ca",
    "front-proxy-ca": "/etc/kubernetes/pki/front-proxy-ca",
    "sa": "/etc/kubernetes/pki/sa",
}
"""Where the files of an authority, and the key of service accounts, are on a host: without their endings."""


@dataclass(frozen=True)
class Place:
    """The host that a command is for.

    Attributes:
        name: in plans.
        target: how it is reached.
        state: its state file, where none is named.
        cache: where artifacts are kept, where nothing else is said.
        key: opens other hosts that are asked; without one, the agent's keys are tried.
    """

    name: str
    target: Target
    state: Path
    cache: Path | None = None
    key: PrivateKey | None = None

    @property
    def here(self) -> bool:
        """Whether it is this machine."""
        return self.target.login is None


def this_host(private_key: Path | None = None) -> Place:
    """This machine. Raises ``UsageError`` for anybody but root: state, keys and units are root's."""
    if os.geteuid() != 0:
        raise UsageError(
            "only root may change this machine", hint="sudo it; or name another host: --host [USER@]ADDRESS[:PORT]"
        )
    name = socket.gethostname().partition(".")[0].lower()
    return Place(name, Target(), STATE, CACHE, _key(private_key) if private_key else None)


def host_at(text: str, private_key: Path | None = None, ssh_jump: str | None = None) -> Place:
    """The host that ``[USER@]ADDRESS[:PORT]`` names. Its state file is kept in the user's own folder (XDG).

    Raises:
        UsageError: it names none, or the key can't be read.
    """
    user, address, port = login_parts(text, "a host")
    key = _key(private_key) if private_key else None
    login = Login(address=address, user=user or "root", port=port, key=key)
    jump = jump_login(ssh_jump, key) if ssh_jump else None
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    state = home / "klusterkit" / "hosts" / f"{address.replace(':', '-')}.yaml"
    return Place(address.replace(":", "-"), Target(login=login, jump=jump), state, key=key)


def login_parts(text: str, what: str) -> tuple[str, str, int | None]:
    """User, address and port of ``[USER@]ADDRESS[:PORT]``; empty or None where they aren't said.

    Raises:
        UsageError: it names nothing; ``what`` says what it should.
    """
    user, _, rest = text.rpartition("@")
    address, port = _address(rest)
    if not address or (port and not port.isdigit()):
        raise UsageError(f"{text!r} doesn't name {what}", hint="[USER@]ADDRESS[:PORT]; IPv6 in brackets")
    return user, address, int(port) if port else None


def _address(text: str) -> tuple[str, str]:
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        return address, rest.removeprefix(":")
    address, _, port = text.partition(":")
    return (text, "") if ":" in port else (address, port)


def _key(path: Path) -> PrivateKey:
    try:
        content = expanded(path).read_bytes()
    except OSError as error:
        raise UsageError(f"the private key {path} can't be read: {words_of(error)}", hint="name another one") from None
    return load_private_key(content, where=str(path))


class HostHold(Hold):
    """What a command for one host holds. Made by :func:`open_on_host`.

    Attributes:
        place: the host.
        takes_others: whether a host is taken back, too, that belongs to another state.
        masters: machines over SSH that are asked about the cluster and its authorities; those of the run in progress,
            if nothing else is said.
    """

    def __init__(self, settings: Settings, state: StateFile, notices: Sequence[str], place: Place) -> None:
        super().__init__(settings, state, notices)
        self.notices = list(notices)  # that the state is in plain text is no news: there is no secret in it
        self.place = place
        self.takes_others = False
        self.masters = self._masters_of_run()
        self._secrets: dict[str, bytes] = {}
        self._connections = ExitStack()
        self._fleet: Fleet | None = None

    @property
    def claims(self) -> bool:
        """Not for taking a host back that belongs to a state elsewhere, which may be lost."""
        records = self.state.records
        removed: Any = records[0]["plan"].get("outcome", {}).get("removed", {}) if records else {}
        return not (self.takes_others or removed.get("others"))

    @property
    def only(self) -> Mapping[str, Target]:
        """The host itself, and those that are asked."""
        jump, key = self.place.target.jump, self.place.key
        asked = {
            machine.name: Target(
                login=Login(address=str(machine.address), user=machine.user, port=machine.port, key=key),
                jump=jump,
            )
            for machine in self.masters
        }
        return {self.place.name: self.place.target, **asked}

    @property
    def guests(self) -> frozenset[str]:
        """Those that are asked."""
        return frozenset(machine.name for machine in self.masters)

    @property
    def belonging(self) -> set[str]:
        """The host itself, from the first run that ends well until it is reset."""
        return {machine.name for machine in self.machines if machine.name == self.place.name}

    @property
    def records(self) -> Records:
        """What runs have done to the host: unsealed, as this state holds no secret."""
        return UNSEALED

    def _masters_of_run(self) -> tuple[Machine, ...]:
        if not self.state.records:
            return ()
        plan: Any = self.state.records[0]["plan"]
        known = [*self.machines, *map(Machine.from_object, plan.get("outcome", {}).get("machines", ()))]
        hosts = {task["host"] for task in plan["tasks"]} - {self.place.name}
        return tuple({machine.name: machine for machine in known if machine.name in hosts}.values())

    def secret(self, name: str) -> bytes:
        """A file of an authority, such as ``etcd-ca.key``: of the master that is asked, or else the host; masked."""
        if name not in self._secrets:
            self._secrets[name] = self._read(name)
            self.mask.learn(self._secrets[name])
        return self._secrets[name]

    def _read(self, name: str) -> bytes:
        base, _, ending = name.rpartition(".")
        path = f"{AUTHORITIES[base]}.{ending}"
        if self._fleet is None:
            # Not the run's own connection: a secret may be asked for while that one waits for it.
            self._fleet = self._connections.enter_context(fleet_of_one(self))
        holder = self.masters[0].name if self.masters else self.place.name
        try:
            return self._fleet[holder].read(path)
        except FileNotFoundError:
            raise PermanentError(
                f"{path} is not there yet", host=holder, hint="bring it there, or let `init` make it"
            ) from None

    def take_file(self, path: Path) -> str:
        """Keep a file of the operator's own for the run, also for one that is resumed. Returns its SHA-256.

        It is a link where that can be, else a copy, beside the state and as secret as that: a snapshot holds all that a
        cluster knows.
        """
        sha256 = sha256_of(path)
        self._files.mkdir(mode=0o700, exist_ok=True)
        ArtifactStore(self._files).adopt(path, sha256)
        return sha256

    def has_artifact(self, sha256: str) -> bool:
        """Also of a file of the operator's own."""
        return ArtifactStore(self._files).size(sha256) is not None or super().has_artifact(sha256)

    def artifact(self, sha256: str) -> Path:
        """Likewise."""
        own = ArtifactStore(self._files)
        return own.path(sha256) if own.size(sha256) is not None else super().artifact(sha256)

    @property
    def _files(self) -> Path:
        return self.state.path.with_name(f"{self.state.path.name}.files")

    def close(self) -> None:
        """Disconnect, and forget the operator's files if no run needs them any more."""
        self._connections.close()
        if self.state.writable and not self.state.records and self._files.exists():
            shutil.rmtree(self._files)


@contextmanager
def open_on_host(settings: Settings, place: Place, *, write: str | None) -> Generator[HostHold]:
    """Open a host's state file for one command; the first that writes makes it.

    Args:
        settings: what the command was told; its state is the host's.
        place: the host.
        write: the command in words, for the lock, if it writes; None only reads and takes no lock.

    Raises:
        StateError: the file is missing, damaged or locked.
    """
    opened = _written(settings.state, write) if write else _read(settings.state)
    with opened as (state, notices), closing(HostHold(settings, state, notices, place)) as hold:
        yield hold


@contextmanager
def _written(path: Path, operation: str) -> Generator[tuple[StateFile, Sequence[str]]]:
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with lock(path, operation) as held:
            there = path.exists()
            state = StateFile.load(path, lock=held) if there else StateFile.create(path, None, lock=held)
            made = state.snapshot.serial
            try:
                yield state, [held.notice] if held.notice else []
            finally:
                if not there and state.snapshot.serial == made and not state.records:
                    path.unlink(missing_ok=True)
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):  # something has come into it
                folder.rmdir()


@contextmanager
def _read(path: Path) -> Generator[tuple[StateFile, Sequence[str]]]:
    """The state; where there is none yet, one that is forgotten: looking at a host leaves nothing anywhere."""
    if path.exists():
        yield StateFile.load(path), ()
        return
    with TemporaryDirectory(prefix="klusterkit-") as folder:
        yield StateFile.create(Path(folder, "state.yaml"), None), ()
