"""Making an SSH connection: Fabric reads the configuration, connects, authenticates and goes through gateways.

What is set apart from Fabric's own ways, each for a measured reason: host keys are checked (Fabric would add any), no
other configuration than that of SSH is read, Nagle's algorithm is off (it costs 40 ms a command), fast ciphers come
first, and ``Connection.run`` is never used.
"""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.errors import HostUnreachable
from klusterkit.foreign import words_of
from klusterkit.hosts.credentials import PrivateKey
from klusterkit.hosts.errors import LoginRefused
from klusterkit.hosts.hostkeys import CheckedKeys, HostKeys
from klusterkit.hosts.sshlibrary import fabric, paramiko

SSH_LOG = logging.getLogger("paramiko")
"""What the SSH library says by itself, tracebacks too. Nothing of it is for a terminal: all that matters is raised."""
SSH_LOG.addHandler(logging.NullHandler())
SSH_LOG.propagate = False

CONNECT_TIMEOUT = 10.0
TURNED_AWAY = 10.0
"""Seconds for which another attempt begins where sshd turns connections away before its banner, as it does when many
come at once (``MaxStartups``)."""
LONGEST_PAUSE = 1.0
"""Seconds between two such attempts, at most. Each is a random part of it: others try as well."""
KEEPALIVE = 15
LOST_AFTER = 45
"""Seconds without a sign of life after which a connection counts as lost: three keepalives."""
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")


class Connection(Protocol):
    """What is used of Fabric's ``Connection``, which has no types."""

    host: str
    user: str
    port: int
    gateway: Connection | str | None
    connect_kwargs: dict[str, Any]
    client: paramiko.SSHClient
    transport: paramiko.Transport
    is_connected: bool

    def open(self) -> None:
        """Connect and log in, through the gateway if there is one."""
        ...

    def close(self) -> None:
        """Disconnect. The gateway stays."""
        ...


class Login(BaseModel):
    """How a host is reached and entered.

    Args:
        address: name or number, or a ``Host`` of the SSH configuration.
        user: root, or somebody who may use sudo without a password.
        port: of its sshd; by default what the SSH configuration says, or 22.
        key: opens it. Without one, the agent and the configuration's identity files are tried.
        agent: whether the agent's keys are tried, too.
        config: another SSH configuration than the user's and the system's.
        connect_timeout: seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    address: str
    user: str = "root"
    port: int | None = None
    key: PrivateKey | None = None
    agent: bool = False
    config: Path | None = None
    connect_timeout: float = CONNECT_TIMEOUT


def make(login: Login, gateway: Connection | None = None) -> Connection:
    """A connection that isn't open yet, as the SSH configuration and ``login`` want it."""
    # Lazy, so that no fabric.py or fabric.yaml of the user's is read: only the SSH configuration is.
    config: Any = fabric.Config(lazy=True, **({"runtime_ssh_path": str(login.config)} if login.config else {}))
    config.load_ssh_config()
    connection: Any = fabric.Connection(
        login.address,
        user=login.user,
        port=login.port,
        config=config,
        gateway=gateway,
        forward_agent=False,
        connect_timeout=int(login.connect_timeout),
        connect_kwargs=_arguments(login),
    )
    return cast("Connection", connection)


def open_checked(connection: Connection, login: Login, keys: HostKeys, name: str) -> None:
    """Open a connection and those before it, each after its host's key was checked.

    Args:
        connection: from :func:`make`.
        login: what opens it, and the gateways that the SSH configuration names.
        keys: which host keys are known.
        name: of the machine, for errors.

    Raises:
        HostUnreachable: nobody answers, or not in time.
        HostRefused: the host isn't known, or doesn't let us in.
    """
    gateway = connection.gateway
    if gateway is not None and not isinstance(gateway, str) and not gateway.is_connected:
        gateway.connect_kwargs = {**_arguments(login), **(gateway.connect_kwargs or {})}
        open_checked(gateway, login, keys, gateway.host)
    connection.connect_kwargs["transport_factory"] = _factory(keys, connection.host, connection.port)
    connection.client.set_missing_host_key_policy(CheckedKeys(keys, name, connection.host, connection.port))
    where = f"{connection.user}@{connection.host}:{connection.port}"
    until = time.monotonic() + TURNED_AWAY
    while True:
        began = time.monotonic()
        try:
            with mapped(name, where, login.user):
                connection.open()
            break
        except HostUnreachable as error:
            connection.client.close()
            # sshd doesn't wait for people: while one compares fingerprints, its LoginGraceTime passes.
            if keys.last_asked() > began:
                until = time.monotonic() + TURNED_AWAY
            elif "banner" not in (error.seen or "") or time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.1, LONGEST_PAUSE))  # noqa: S311 - nobody has to be kept from guessing it
        except BaseException:
            connection.client.close()
            raise
    connection.transport.set_keepalive(KEEPALIVE)


def _arguments(login: Login) -> dict[str, Any]:
    return {
        "pkey": login.key.key if login.key else None,
        "allow_agent": login.agent or login.key is None,
        "look_for_keys": False,
        "banner_timeout": login.connect_timeout,
        "auth_timeout": login.connect_timeout,
        "compress": False,
    }


def _factory(keys: HostKeys, address: str, port: int) -> Any:
    """Makes paramiko's transports: packets leave at once, fast ciphers and known types of keys first."""

    def make(sock: Any, **options: Any) -> paramiko.Transport:
        if isinstance(sock, socket.socket):
            _tune(sock)
        transport = paramiko.Transport(sock, **options)
        wanted = transport.get_security_options()
        wanted.ciphers = [*CIPHERS]
        known = [algorithm for kind in keys.known(address, port) for algorithm in _algorithms(kind)]
        wanted.key_types = [kind for kind in known if kind in wanted.key_types] + [
            kind for kind in wanted.key_types if kind not in known
        ]
        return transport

    return make


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", KEEPALIVE), ("TCP_KEEPINTVL", KEEPALIVE), ("TCP_KEEPCNT", 3)):
        if option := getattr(socket, name, None):  # not every system that a laptop runs has all of them
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    if option := getattr(socket, "TCP_USER_TIMEOUT", None):
        sock.setsockopt(socket.IPPROTO_TCP, option, LOST_AFTER * 1000)


def _algorithms(key_type: str) -> Sequence[str]:
    return ("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,)


@contextlib.contextmanager
def mapped(host: str, where: str, user: str) -> Generator[None]:
    """Others' errors become ours here, and nowhere else."""
    try:
        yield
    except (paramiko.AuthenticationException, paramiko.PasswordRequiredException) as error:
        if "saw EOF" in str(error) or "timeout" in str(error).lower():  # cut off before it could say
            raise _unreachable(host, where, error) from None
        raise LoginRefused(
            f"{where} doesn't let us in",
            host=host,
            seen=words_of(error),
            hint=f"see that the public key is in ~{user}/.ssh/authorized_keys of that host, and that the user is right",
        ) from None
    except paramiko.SSHException as error:
        if "No authentication methods" in str(error):
            raise LoginRefused(
                f"there is no key to log in to {where} with",
                host=host,
                hint="give one: cctl create credential --user USER --private-key FILE",
            ) from None
        raise _unreachable(host, where, error) from None
    except (OSError, EOFError) as error:
        raise _unreachable(host, where, error) from None


def _unreachable(host: str, where: str, error: BaseException) -> HostUnreachable:
    return HostUnreachable(
        f"{where} can't be reached",
        host=host,
        seen=words_of(error),
        hint="see that the host is on, that the address is right, and that its sshd can be reached from here",
    )
