"""A member of etcd, with its copy of what most of them agree on."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from klusterkit.hosts.simulated import Machine
from klusterkit.plans.files.etcd import DATA
from tests.simulation.real.programs.program import Program
from tests.simulation.real.programs.texts import documents

CONFIGURATION = "/etc/etcd/etcd.yaml"
UNIT = "etcd.service"
DATABASE = f"{DATA}/member/snap/db"
LOG = f"{DATA}/member/wal/0.wal"


@dataclass(frozen=True)
class Seat:
    """One member as the others know it."""

    id: int
    peer: str
    name: str = ""
    """Empty until it is started for the first time."""
    learner: bool = False


@dataclass(frozen=True)
class Log:
    """What a member's write-ahead log tells, but for the objects."""

    cluster: str
    """Another one for each cluster that was ever begun."""
    own: int
    index: int
    seats: tuple[Seat, ...]
    leader: int = 0
    """Who was last asked to lead; another does if that one can't."""

    @property
    def voters(self) -> set[int]:
        """Members with a vote."""
        return {seat.id for seat in self.seats if not seat.learner}

    def seat(self, peer: str) -> Seat | None:
        """That of the member with this URL."""
        return next((seat for seat in self.seats if seat.peer == peer), None)


@lru_cache(maxsize=1024)
def _parsed(content: bytes) -> Log:
    fields = json.loads(content)
    return Log(**{**fields, "seats": tuple(Seat(**seat) for seat in fields["seats"])})


class Etcd(Program):
    """The member of one host.

    Args:
        machine: that it runs on.
        address: of the host.
    """

    def __init__(self, machine: Machine, address: str) -> None:
        super().__init__(machine)
        self.peer = f"https://{address}:2380"
        self.address = address

    @property
    def log(self) -> Log | None:
        """Its log, if it has ever been started."""
        return _parsed(self.tree.read(LOG)) if self.has(LOG) else None

    @property
    def objects(self) -> dict[str, Any]:
        """All objects of its copy, by kind and name."""
        return self.load(DATABASE)

    @property
    def alive(self) -> bool:
        """Whether its process runs, ready or not."""
        unit = self.machine.systemd.units.get(UNIT)
        return unit is not None and unit.active in ("active", "activating")

    def write(self, log: Log, objects: dict[str, Any]) -> None:
        """Have this as its copy."""
        self.tree.makedirs(LOG.rpartition("/")[0])
        self.tree.write(LOG, json.dumps(asdict(log)), 0o600)
        self.keep(DATABASE, objects)

    def can_start(self) -> bool:
        """Whether it has all that its process reads first."""
        if not self.has("/usr/local/bin/etcd", CONFIGURATION):
            return False
        sides = [self._configuration[f"{side}-transport-security"] for side in ("client", "peer")]
        return self.has(*(side[file] for side in sides for file in ("cert-file", "key-file", "trusted-ca-file")))

    def begin(self, find: Callable[[set[str]], Log | None]) -> bool:
        """Begin a log: that of a new cluster, or of the one which the configuration names, if that is as it says.

        Args:
            find: what the members at some URLs agree on.
        """
        said = self._configuration
        peers = {part.partition("=")[2] for part in said["initial-cluster"].split(",")}
        if said["initial-cluster-state"] == "new":
            own = Seat(secrets.randbits(60), self.peer, said["name"])
            self.write(Log(uuid.uuid4().hex, own.id, 0, (own,)), {})
            return True
        known = find(peers)
        seat = known and known.seat(self.peer)
        if not known or not seat or {other.peer for other in known.seats} != peers:
            return False
        self.write(Log(known.cluster, seat.id, -1, known.seats), {})
        return True

    @property
    def name(self) -> str:
        """As its configuration has it."""
        return self._configuration["name"]

    @property
    def _configuration(self) -> dict[str, Any]:
        return documents(self.tree.read(CONFIGURATION))[0]
