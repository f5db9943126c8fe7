"""How etcdctl is called on a host: as the client of its health checks, towards whichever members are named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Context

ETCDCTL = "/usr/local/bin/etcdctl"
PKI = "/etc/etcd/pki"
LOCAL = "https://127.0.0.1:2379"
"""The member on the host itself."""

_CERTIFICATE, _KEY = (f"{PKI}/healthcheck-client.{ending}" for ending in ("crt", "key"))
FILES = (ETCDCTL, _CERTIFICATE, _KEY)
"""What a host needs to ask."""


@dataclass(frozen=True)
class EtcdMember:
    """A member as the others know it."""

    id: str
    """In hexadecimal, as etcdctl takes it."""
    name: str
    """Empty for a member that was added and hasn't been started yet."""
    peers: tuple[str, ...]
    """URLs by which other members reach it."""
    learner: bool
    clients: tuple[str, ...] = ()
    """URLs by which it says that clients reach it; none of a member that hasn't been started yet."""

    def __str__(self) -> str:
        what = "learner" if self.learner else "member"
        return f"{self.name or f'a {what} that was never started'} ({', '.join(self.peers)}, {what} {self.id})"


def command(endpoints: Sequence[str], *arguments: str) -> list[str]:
    """The command line."""
    return [
        *(ETCDCTL, f"--endpoints={','.join(endpoints)}", f"--cacert={PKI}/ca.crt"),
        *(f"--cert={_CERTIFICATE}", f"--key={_KEY}", "--command-timeout=3s", *arguments),
    ]


def ask(on: Context, endpoints: Sequence[str], *arguments: str) -> Completed:
    """Run it, whatever comes of it."""
    return on.host.run(command(endpoints, *arguments), timeout=10.0)


def healthy(on: Context, endpoints: Sequence[str]) -> set[str]:
    """Of these client URLs, those whose member takes part in a quorum: it answers a linearizable read.

    Raises:
        CommandFailedTemporarily: etcdctl doesn't tell, which says nothing of the members.
    """
    ended = ask(on, endpoints, "endpoint", "health", "--write-out=json")
    try:
        answers = json.loads(ended.out)
    except ValueError:
        raise CommandFailedTemporarily(
            "etcdctl doesn't say which members of etcd work", host=on.host.name, seen=ended.said
        ) from None
    return {each["endpoint"] for each in answers if each["health"]}


def members(on: Context, endpoints: Sequence[str]) -> list[EtcdMember]:
    """All members, by a linearizable read: a quorum agrees on them.

    Raises:
        CommandFailedTemporarily: nobody answers, or there is no quorum.
    """
    ended = ask(on, endpoints, "member", "list", "--write-out=json")
    if not ended.ok:
        raise CommandFailedTemporarily(
            "etcd doesn't say who its members are",
            host=on.host.name,
            seen=ended.said,
            hint="most of its members have to be up: `journalctl -u etcd` on their hosts",
        )
    return [
        EtcdMember(
            id=f"{each['ID']:x}",
            name=each.get("name", ""),
            peers=tuple(each.get("peerURLs", ())),
            learner=each.get("isLearner", False),
            clients=tuple(each.get("clientURLs", ())),
        )
        for each in json.loads(ended.out)["members"]
    ]
