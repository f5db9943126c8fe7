"""Why a host that answers can't be used, as classes that carry what the operator needs to decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from klusterkit.engine.errors import HostRefused, HostUnreachable, TemporaryError, UsageError


class LoginRefused(HostRefused):
    """The host doesn't let this user in with this key."""


class RootRefused(HostRefused):
    """The login works, and doesn't lead to root: sudo is missing, asks for a password, or forbids it."""


class KeyUnusable(UsageError):
    """The private key that should open hosts can't be read: not a key, of an unknown type, or with a passphrase."""


class UnknownHostKey(HostRefused):
    """Nobody has said yet that this key is the host's. Found before anything was sent that proves who we are.

    Attributes:
        key_type: such as ``ssh-ed25519``.
        fingerprint: ``SHA256:…``, as ``ssh-keygen -l`` prints it.
        known_hosts: the line that makes the key known.
        misread: where the user's own files have something else than host keys, in words; empty if nowhere.
    """

    def __init__(
        self,
        host: str,
        where: str,
        key_type: str,
        fingerprint: str,
        known_hosts: str,
        misread: Sequence[str] = (),
    ) -> None:
        self.misread = _misread(misread)
        super().__init__(
            f"the key of {where} is not known",
            host=host,
            seen="; ".join(filter(None, [f"{key_type} {fingerprint}", self.misread])),
            hint=f"compare it with the host's own (`ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on its console), "
            f"then allow it: --host-key {fingerprint}",
        )
        self.key_type = key_type
        self.fingerprint = fingerprint
        self.known_hosts = known_hosts


def _misread(places: Sequence[str]) -> str:
    if not places:
        return ""
    more = f", nor are {len(places) - 1} lines more" if len(places) > 1 else ""
    return f"{places[0]} is no host key{more}: what is not understood counts for nothing"


class ChangedHostKey(HostRefused):
    """The host shows another key than the one that is known: it was reinstalled, or somebody stands in between."""

    def __init__(self, host: str, where: str, key_type: str, fingerprint: str, known: str) -> None:
        super().__init__(
            f"the key of {where} is not the one that is known",
            host=host,
            seen=f"it shows {key_type} {fingerprint}; known is {known}",
            hint="if the host was reinstalled, forget its old key (`cctl state host-key forget HOST`, known_hosts) and "
            "allow the new one; "
            "if it was not, somebody may be listening: do not connect",
        )
        self.key_type = key_type
        self.fingerprint = fingerprint


class StaleState(HostRefused):
    """The host has seen a later state of this cluster than ours: our state file is an old copy."""


class ForeignCluster(HostRefused):
    """The host belongs to another cluster."""


class LockUnsafe(HostRefused):
    """The folder that the host's lock is in isn't root's alone: whoever wrote there could say anything of it."""


class ConnectionLost(HostUnreachable):
    """The connection ended while a call was under way. Whether the host acted on the call isn't known."""


class JobVanished(TemporaryError):
    """A long program is gone and left no result: the host was switched off, say. What it did isn't known."""

    lost: ClassVar[bool] = True


class HostKeyRevoked(HostRefused):
    """The host shows a key of which a ``known_hosts`` file says that it must not be used any more."""


class TooManySessions(HostUnreachable):
    """The host's sshd gives this connection no further session (``MaxSessions``)."""
