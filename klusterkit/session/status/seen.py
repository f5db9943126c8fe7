"""What machines say when they are looked at, before anybody judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from klusterkit.engine.facts import Facts
from klusterkit.engine.record import HostRecord
from klusterkit.session.status.certificates import CertificateSeen


@dataclass(frozen=True)
class UnitState:
    """A unit of systemd: the properties of ``systemctl show`` that matter."""

    active: str
    """``active``, ``failed``, ``inactive``, …"""
    sub: str
    enabled: str
    """``enabled``, ``disabled``, …; empty where there is no such unit."""
    restarts: int = 0


@dataclass(frozen=True)
class ListedMember:
    """A member as another lists it."""

    id: int
    name: str
    hosts: tuple[str, ...]
    """Of its addresses for other members."""
    learner: bool


@dataclass(frozen=True)
class EtcdSeen:
    """What a member says of itself."""

    id: int
    leader: int
    """The member that leads; 0 where it knows none."""
    version: str
    size: int
    learner: bool
    errors: tuple[str, ...]
    members: tuple[ListedMember, ...]


@dataclass(frozen=True)
class Node:
    """A node as the API server knows it."""

    ready: str
    """``True``, ``False``, ``Unknown``, or nothing."""
    message: str
    cordoned: bool
    kubelet: str
    runtime: str


@dataclass(frozen=True)
class Workload:
    """How many pods of a workload are ready, of those that there should be."""

    wanted: int
    ready: int


@dataclass(frozen=True)
class ApiSeen:
    """What the API server of one master tells of the cluster."""

    nodes: Mapping[str, Node]
    ready_pods: Mapping[str, bool]
    """Static pods of the control plane by name."""
    workloads: Mapping[str, Workload]
    """Of the system's namespaces, by ``daemonset/NAME``."""


@dataclass(frozen=True)
class MachineSeen:
    """What one machine says of itself."""

    facts: Facts
    units: Mapping[str, UnitState]
    record: HostRecord | None
    """What was done to it; None where that can't be read."""
    certificates: tuple[CertificateSeen, ...]
    etcd: EtcdSeen | str | None = None
    """On a master; words where it doesn't answer."""
    api: str | None = None
    """On a master: nothing where its API server is ready, else what it says."""
