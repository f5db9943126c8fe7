"""All hosts of a run, by name: each is connected to when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.errors import UsageError
from klusterkit.hosts.hostkeys import HostKeys
from klusterkit.hosts.lease import Lease
from klusterkit.hosts.link import PATIENCE, Link
from klusterkit.hosts.local import LocalTransport
from klusterkit.hosts.opening import Login
from klusterkit.hosts.openssh import SSH_PORT
from klusterkit.hosts.pace import Pace
from klusterkit.hosts.question import Question
from klusterkit.hosts.shellhost import ShellHost
from klusterkit.hosts.ssh import Jump, SshTransport
from klusterkit.hosts.transport import Transport


class Target(BaseModel):
    """A host of a fleet.

    Args:
        login: how it is entered; None for this machine itself.
        jump: what the connection goes through. Hosts with the same one share its connection.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    login: Login | None = None
    jump: Login | None = None


class Fleet:
    """Hosts by name: ``fleet[name]`` or ``fleet(name)``. Thread-safe; a context manager that disconnects.

    Args:
        targets: how each is reached.
        keys: which host keys are known.
        question: what their facts are to tell besides what they always do.
        lease: the right to change them. Without it no lock is taken, and nothing must be changed.
        patience: seconds that are spent on connecting again when a connection was lost.
        pace: of uploads to all of them together.
    """

    def __init__(
        self,
        targets: Mapping[str, Target],
        keys: HostKeys | None = None,
        *,
        question: Question | None = None,
        lease: Lease | None = None,
        patience: float = PATIENCE,
        pace: Pace | None = None,
    ) -> None:
        self._targets = dict(targets)
        self._keys = keys or HostKeys()
        self._question = question
        self._lease = lease
        self._patience = patience
        self._pace = pace
        self._unlocked: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._jumps: dict[tuple[str, str, int | None], Jump] = {}
        self._hosts: dict[str, ShellHost] = {}

    def __getitem__(self, name: str) -> ShellHost:
        """The host, connected or not: it connects with its first call. Raises ``UsageError`` for a name not known."""
        with self._lock:
            if name not in self._hosts:
                transport = self._transport(name)
                link = Link(transport, patience=self._patience, lease=self._lease_of(name))
                self._hosts[name] = ShellHost(link, self._question, self._pace)
            return self._hosts[name]

    def claim(self, lease: Lease, patience: float, but: Collection[str] = ()) -> None:
        """Change hosts from now on, under this lease. Nobody must be calling one. Connections that stand go on.

        Args:
            lease: their lock.
            patience: seconds that are spent on connecting again from now on.
            but: hosts on which nothing is changed, so that they need no lock.
        """
        with self._lock:
            self._lease, self._patience, self._unlocked = lease, patience, frozenset(but)
            for name, host in self._hosts.items():
                host.claim(self._lease_of(name), patience)

    def __call__(self, name: str) -> ShellHost:
        """Likewise."""
        return self[name]

    def known(self, names: Iterable[str]) -> list[str]:
        """The keys of hosts as lines of ``known_hosts``, with those that the operator has accepted since."""
        logins = (self._targets[name].login for name in names)
        return [line for each in logins if each for line in self._keys.lines(each.address, each.port or SSH_PORT)]

    def last_asked(self) -> float:
        """When somebody was last thinking about a host's key, on the monotonic clock."""
        return self._keys.last_asked()

    def close(self) -> None:
        """Disconnect from all."""
        for thread in self._closing():
            thread.join()
        with self._lock:
            jumps, self._jumps = list(self._jumps.values()), {}
        for jump in jumps:
            jump.close()

    def abandon(self) -> None:
        """Let go of all without waiting: one that is being connected to takes its time. What waits for a link ends."""
        self._closing()

    def _closing(self) -> list[threading.Thread]:
        with self._lock:
            hosts, self._hosts = list(self._hosts.values()), {}
        threads = [threading.Thread(target=host.close, daemon=True) for host in hosts]
        for thread in threads:
            thread.start()
        return threads

    def __enter__(self) -> Fleet:
        """Nothing is connected yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Disconnect from all."""
        self.close()

    def _lease_of(self, name: str) -> Lease | None:
        return None if name in self._unlocked else self._lease

    def _transport(self, name: str) -> Transport:
        target = self._targets.get(name)
        if target is None:
            raise UsageError(f"there is no host called {name!r}", hint=f"known are {', '.join(sorted(self._targets))}")
        if target.login is None:
            return LocalTransport(name)
        return SshTransport(name, target.login, self._keys, self._jump(target.jump) if target.jump else None)

    def _jump(self, login: Login) -> Jump:
        where = (login.address, login.user, login.port)
        if where not in self._jumps:
            self._jumps[where] = Jump(login, self._keys)
        return self._jumps[where]
