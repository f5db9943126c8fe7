"""SSH connections that give root shells."""

from __future__ import annotations

import contextlib
import threading

from klusterkit.engine.errors import HostUnreachable
from klusterkit.foreign import words_of
from klusterkit.hosts.errors import TooManySessions
from klusterkit.hosts.hostkeys import HostKeys
from klusterkit.hosts.opening import Connection, Login, make, open_checked
from klusterkit.hosts.sshlibrary import paramiko
from klusterkit.hosts.sshstream import SEND_TIMEOUT, SshStream
from klusterkit.hosts.stream import Stream


class Jump:
    """A host that connections to other hosts go through: connected once, for all of them.

    Closing several connections through one gateway at once kills it (a race in paramiko), so they take turns.

    Args:
        login: how it is entered.
        keys: which host keys are known.
    """

    def __init__(self, login: Login, keys: HostKeys) -> None:
        self._login = login
        self._keys = keys
        self._connection: Connection | None = None
        self.lock = threading.Lock()

    def opened(self) -> Connection:
        """The connection, open."""
        with self.lock:
            if self._connection is None or not self._connection.is_connected:
                connection = make(self._login)
                open_checked(connection, self._login, self._keys, self._login.address)
                self._connection = connection
            return self._connection

    def close(self) -> None:
        """Disconnect, and with it all that goes through."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class SshTransport:
    """One SSH connection.

    Args:
        name: the machine's name in the plan.
        login: how it is entered.
        keys: which host keys are known.
        jump: what the connection goes through, if the SSH configuration shall not say.
    """

    def __init__(self, name: str, login: Login, keys: HostKeys, jump: Jump | None = None) -> None:
        self._name = name
        self._login = login
        self._keys = keys
        self._jump = jump
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        """The machine's name in the plan."""
        return self._name

    @property
    def where(self) -> str:
        """Who is met where."""
        return f"{self._login.user}@{self._login.address}"

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._connection is not None and self._connection.is_connected

    def connect(self) -> None:
        """Connect: see the host's key, then log in."""
        connection = make(self._login, self._jump.opened() if self._jump else None)
        open_checked(connection, self._login, self._keys, self._name)
        self._connection = connection

    def open(self) -> Stream:
        """A new root shell."""
        if self._connection is None or not self.alive:
            raise HostUnreachable(f"the connection to {self._name} is closed", host=self._name)
        try:
            channel = self._connection.transport.open_session(timeout=SEND_TIMEOUT)
            channel.exec_command("exec /bin/sh" if self._login.user == "root" else "exec sudo -n /bin/sh")
        except paramiko.ChannelException as error:
            raise TooManySessions(
                f"{self._name} gives this connection no further session",
                host=self._name,
                seen=words_of(error),
                hint="raise MaxSessions in the host's sshd_config to 10, its default",
            ) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise HostUnreachable(
                f"the connection to {self._name} was lost", host=self._name, seen=words_of(error)
            ) from None
        return SshStream(channel)

    def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with self._jump.lock if self._jump else contextlib.nullcontext():
            connection.close()
        gateway = None if self._jump else connection.gateway  # those of the SSH configuration are this connection's own
        while gateway is not None and not isinstance(gateway, str):
            gateway.close()
            gateway = gateway.gateway
