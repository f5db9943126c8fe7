"""A model of etcd among several hosts: members, votes, a quorum, and one store that every voting member has a copy of.

A member that was removed stops, as the real one does; one that is started with other members than there are doesn't
start. Data are in the hosts' files, so that undo has something to take back.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import yaml

from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Machine
from tests.unit.tasks.step_world import said

DATA = "/var/lib/etcd/member"
OBJECTS = f"{DATA}/objects.json"
CONFIGURATION = "/etc/etcd/etcd.yaml"


class Runs(Protocol):
    """A host, as far as etcd is concerned."""

    machine: Machine
    address: str

    def active(self, name: str) -> bool: ...


@dataclass(frozen=True)
class Seat:
    """One member as the others know it."""

    id: int
    peer: str
    name: str = ""
    learner: bool = False


class EtcdModel:
    """The members and what they keep."""

    def __init__(self, hosts: Mapping[str, Runs]) -> None:
        self._hosts = hosts
        self.seats: list[Seat] = []
        self._numbers = itertools.count(0xA1)
        self.changes: list[str] = []
        """What became of the membership, and of who leads, in words."""
        self._leads = 0

    # Who is there ---------------------------------------------------------------------------------------------------

    @property
    def voters(self) -> set[str]:
        """Names of the members with a vote."""
        return {seat.name for seat in self.seats if not seat.learner}

    def runs(self, seat: Seat) -> bool:
        host = self._host_of(seat.peer)
        return host is not None and host.machine.powered and host.active("etcd") and bool(seat.name)

    def has_quorum(self) -> bool:
        votes = [self.runs(seat) for seat in self.seats if not seat.learner]
        return sum(votes) > len(votes) // 2

    def answers(self, host: Runs) -> bool:
        """Whether the member of a host answers its clients: it votes, and there is a quorum."""
        seat = self.seat_of(host)
        return seat is not None and not seat.learner and self.runs(seat) and self.has_quorum()

    def seat_of(self, host: Runs) -> Seat | None:
        return next((seat for seat in self.seats if seat.peer == f"https://{host.address}:2380"), None)

    def _host_of(self, peer: str) -> Runs | None:
        return next((host for host in self._hosts.values() if peer == f"https://{host.address}:2380"), None)

    # What is kept ---------------------------------------------------------------------------------------------------

    def objects(self) -> dict[str, Any]:
        for seat in self.seats:
            host = self._host_of(seat.peer)
            if host is not None and not seat.learner and host.machine.tree.find(OBJECTS) is not None:
                return json.loads(host.machine.tree.read(OBJECTS))
        return {}

    def keep(self, objects: Mapping[str, Any]) -> None:
        text = json.dumps(objects, sort_keys=True)
        for seat in self.seats:
            host = self._host_of(seat.peer)
            if host is not None and self.runs(seat):
                host.machine.tree.write(OBJECTS, text)

    # Starting -------------------------------------------------------------------------------------------------------

    def start(self, host: Runs) -> bool:
        """etcd is being started on a host: whether it comes up."""
        said = yaml.safe_load(host.machine.tree.read(CONFIGURATION))
        first = host.machine.tree.find(DATA) is None
        if first and said["initial-cluster-state"] == "new":
            self.seats = [Seat(next(self._numbers), said["initial-advertise-peer-urls"], said["name"])]
        seat = self.seat_of(host)
        wanted = {part.partition("=")[2] for part in said["initial-cluster"].split(",")}
        if seat is None or (first and wanted != {other.peer for other in self.seats}):
            return False
        host.machine.tree.makedirs(DATA)
        if first:
            self._replace(seat, replace(seat, name=said["name"]))
            host.machine.tree.write(OBJECTS, json.dumps(self.objects(), sort_keys=True))
        return True

    def _replace(self, old: Seat, new: Seat) -> None:
        self.seats = [new if seat == old else seat for seat in self.seats]

    # Asking ---------------------------------------------------------------------------------------------------------

    def etcdctl(self, here: Runs, argv: list[str]) -> Completed:
        """Run ``etcdctl`` on a host."""
        endpoints = next(word for word in argv if word.startswith("--endpoints=")).partition("=")[2].split(",")
        asked = [host for host in (self._at(here, url) for url in endpoints) if host is not None]
        words = [word for word in argv if not word.startswith("-")]
        if words[:2] == ["endpoint", "status"]:
            return self._status(asked)
        if words[:2] == ["endpoint", "health"] and "--write-out=json" in argv:
            return self._health(here, endpoints)
        if words[0] == "move-leader":
            return self._move_leader(asked, int(words[1], 16))
        if not any(self.answers(host) for host in asked):
            return said(1, err="context deadline exceeded")
        return said() if words[0] == "endpoint" else self._member(words[1:], argv)

    def _member(self, words: list[str], argv: list[str]) -> Completed:
        match words:
            case ["list"]:
                return self._list()
            case ["add", _]:
                return self._add(argv)
            case ["promote", identity]:
                return self._promote(identity)
            case _:
                return self._remove(words[-1])

    def _at(self, here: Runs, url: str) -> Runs | None:
        address = url.removeprefix("https://").rpartition(":")[0]
        return here if address == "127.0.0.1" else next((h for h in self._hosts.values() if h.address == address), None)

    @property
    def leader(self) -> int:
        """The id of the member that leads."""
        able = [seat.id for seat in self.seats if not seat.learner and self.runs(seat)]
        return self._leads if self._leads in able else next(iter(able), 0)

    def _status(self, asked: list[Runs]) -> Completed:
        seats = [seat for seat in map(self.seat_of, asked) if seat is not None and self.runs(seat)]
        said_by_each = [{"Status": {"leader": self.leader}} for _ in seats]
        return said(out=json.dumps(said_by_each)) if seats else said(1, err="refused")

    def _health(self, here: Runs, endpoints: list[str]) -> Completed:
        hosts = [(url, self._at(here, url)) for url in endpoints]
        told = [{"endpoint": url, "health": host is not None and self.answers(host)} for url, host in hosts]
        return said(0 if all(each["health"] for each in told) else 1, out=json.dumps(told))

    def _move_leader(self, asked: list[Runs], identity: int) -> Completed:
        if [seat.id for seat in map(self.seat_of, asked) if seat is not None] != [self.leader]:
            return said(1, err="no leader endpoint given")
        self._leads = identity
        self.changes.append(f"lead {next(seat.peer for seat in self.seats if seat.id == identity)}")
        return said()

    def _list(self) -> Completed:
        listed = [
            {
                "ID": seat.id,
                "name": seat.name,
                "peerURLs": [seat.peer],
                "clientURLs": [seat.peer.replace(":2380", ":2379")] if seat.name else [],
                "isLearner": seat.learner,
            }
            for seat in self.seats
        ]
        return said(out=json.dumps({"members": listed}))

    def _add(self, argv: list[str]) -> Completed:
        peer = next(word for word in argv if word.startswith("--peer-urls=")).partition("=")[2]
        if any(seat.learner for seat in self.seats):
            return said(1, err="etcdserver: too many learner members in cluster")
        if any(seat.peer == peer for seat in self.seats):
            return said(1, err="etcdserver: Peer URLs already exists")
        self.seats.append(Seat(next(self._numbers), peer, learner="--learner" in argv))
        self.changes.append(f"add {peer}")
        return said()

    def _promote(self, identity: str) -> Completed:
        seat = next(seat for seat in self.seats if seat.id == int(identity, 16))
        if not self.runs(seat):
            return said(1, err="etcdserver: can only promote a learner member which is in sync with leader")
        self._replace(seat, replace(seat, learner=False))
        self.changes.append(f"promote {seat.peer}")
        return said()

    def _remove(self, identity: str) -> Completed:
        seat = next((seat for seat in self.seats if seat.id == int(identity, 16)), None)
        if seat is None:
            return said(1, err="etcdserver: member not found")
        left = [self.runs(other) for other in self.seats if other is not seat and not other.learner]
        if not seat.learner and sum(left) <= len(left) // 2:
            return said(1, err="etcdserver: unhealthy cluster")
        self.seats.remove(seat)
        self.changes.append(f"remove {seat.peer}")
        host = self._host_of(seat.peer)
        if host is not None and host.active("etcd"):
            host.machine.systemd.fail("etcd.service")
        return said()
