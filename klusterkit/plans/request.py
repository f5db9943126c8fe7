"""What the creation of machines is asked for, and each machine as its plan sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Architecture, Cluster, Endpoint, Machine, Taint, host_and_port
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.plans.draft import HostDraft
from klusterkit.tasks.preflight import MINIMUM_MEMORY, MINIMUM_WORKER_MEMORY, Refusal, Requirements, check

API_PORT = 6443

CONTROL_PLANE_TAINT = Taint(key="node-role.kubernetes.io/control-plane", effect="PreferNoSchedule")
"""Where the operator says nothing: workloads go elsewhere if there is an elsewhere. etcd and the control plane are kept
from starving by reservations and not by emptiness, so that a cluster of one machine is of use."""

_GIB = 1 << 30


class ArtifactFile(BaseModel):
    """An artifact as a mirror has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    size: int
    """Bytes."""


class Options(BaseModel):
    """How much happens at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uploads: int = 4
    """In all: they share this machine's processors and link."""
    uploads_each: int = 2
    """To each host: what comes first is unpacked while the rest comes (lab: kubelet started after 12 s, not 16)."""
    imports: int = 2
    """Images on each host; unpacking one takes a processor."""


class CreateRequest(BaseModel):
    """Machines to be made part of a cluster.

    Artifacts are by the names of ``klusterkit.cluster.artifacts``; facts by the names of machines.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: Cluster
    machines: tuple[Machine, ...]
    existing: tuple[Machine, ...] = ()
    facts: dict[str, Facts]
    artifacts: dict[str, ArtifactFile]
    lineage: str
    serial: int
    operation: str = "create machine"
    options: Options = Options()

    @property
    def master(self) -> Machine:
        """The one master."""
        return next(machine for machine in self.machines if machine.is_master)

    def checked(self) -> CreateRequest:
        """The request itself. Raises ``UsageError`` when there can't be a plan for it."""
        check_members(self.cluster, self.existing, self.machines)
        _unique("node name", (node_name(machine, self.facts[machine.name]) for machine in self.machines))
        _unique("machine-id", (self.facts[machine.name].machine_id for machine in self.machines))
        return self


def check_members(cluster: Cluster, existing: Sequence[Machine], machines: Sequence[Machine]) -> None:
    """Raise ``UsageError`` or ``InvalidCluster`` for machines that can't be made members, whatever their hosts are."""
    masters = [machine for machine in (*existing, *machines) if machine.is_master]
    if len(masters) > 1:
        raise UsageError(
            f"a second master is asked for: {', '.join(machine.name for machine in masters)}",
            hint="several masters need a virtual address, which isn't there yet: a cluster has one master",
        )
    if existing:
        raise UsageError(
            f"the cluster has machines already: {', '.join(machine.name for machine in existing)}",
            hint="machines can't be added to a running cluster yet; another cluster has another state file (--state)",
        )
    if not masters:
        raise UsageError("the cluster has no master", hint="create its first machine with --role master")
    for machine in machines:
        cluster.check_address(machine.address)
    cluster.check_node_count(len(machines))
    _unique("address", (str(machine.address) for machine in machines))


def node_name(machine: Machine, facts: Facts) -> str:
    """The machine's name in Kubernetes: the host's own unless something else was asked for."""
    return machine.node_name or facts.hostname.lower()


def _unique(what: str, values: Iterable[str]) -> None:
    several = [value for value, count in Counter(values).items() if count > 1]
    if several:
        raise UsageError(
            f"several hosts have the same {what}: {', '.join(several)}",
            hint="give each its own; cloned hosts need `rm /etc/machine-id && systemd-machine-id-setup`",
        )


@dataclass(frozen=True)
class Target:
    """A machine that is being created, with all that its tasks depend on."""

    request: CreateRequest
    machine: Machine
    tasks: HostDraft

    @property
    def cluster(self) -> Cluster:
        """The cluster that it becomes part of."""
        return self.request.cluster

    @property
    def facts(self) -> Facts:
        """What its host is."""
        return self.request.facts[self.machine.name]

    @property
    def node(self) -> str:
        """Its name in Kubernetes."""
        return node_name(self.machine, self.facts)

    @property
    def address(self) -> str:
        """The one that others reach it by."""
        return str(self.machine.address)

    @property
    def server(self) -> str:
        """Where clients find the API."""
        return endpoint_of(self.request).url

    @property
    def local_endpoint(self) -> str:
        """``host:port`` of the API server beside it, on a master."""
        return host_and_port(self.machine.address, API_PORT)

    @property
    def taints(self) -> tuple[Taint, ...]:
        """Of its node."""
        return self.machine.taints or ((CONTROL_PLANE_TAINT,) if self.machine.is_master else ())

    def artifact(self, name: str) -> ArtifactFile:
        """An artifact by its name. Raises ``UsageError`` where the mirror has none."""
        found = self.request.artifacts.get(name)
        if found is None:
            raise UsageError(
                f"no artifact for {name}", hint="choose a version that the mirror has, or name another with --mirror"
            )
        return found


def endpoint_of(request: CreateRequest) -> Endpoint:
    """Where clients reach the API: the cluster's own endpoint, or else the one master."""
    return request.cluster.endpoint or Endpoint(host=str(request.master.address), port=API_PORT)


def requirements(request: CreateRequest, machine: Machine) -> Requirements:
    """What the host of a machine has to give."""
    # Each artifact is there as a file, unpacked, and for a while beside what it replaces; pods need room too.
    disk = 3 * sum(item.size for item in request.artifacts.values()) + 2 * _GIB
    return Requirements(
        control_plane=machine.is_master,
        memory=MINIMUM_MEMORY if machine.is_master else MINIMUM_WORKER_MEMORY,
        disk=disk,
        networks={
            "pod network": str(request.cluster.pod_network),
            "service network": str(request.cluster.service_network),
        },
    )


def refusals(request: CreateRequest) -> Iterator[tuple[Machine, Refusal]]:
    """All reasons why hosts can't be used, before anything is started."""
    for machine in request.machines:
        facts = request.facts[machine.name]
        for refusal in (*_architecture(facts), *check(facts, requirements(request, machine))):
            yield machine, refusal


def _architecture(facts: Facts) -> Iterator[Refusal]:
    if facts.architecture not in [*Architecture]:
        yield Refusal(
            what="there are no artifacts for the host's architecture",
            seen=f"{facts.architecture}; there are {', '.join(Architecture)}",
            hint="use a host of one of these architectures",
        )
