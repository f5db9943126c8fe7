"""What the creation of machines is asked for, and each machine as its plan sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import (
    API_PORT,
    Architecture,
    Cluster,
    Endpoint,
    InvalidCluster,
    Machine,
    Taint,
    host_and_port,
)
from klusterkit.cluster.names import NODE_NAME_LIMIT, subdomain
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.plans.draft import HostDraft
from klusterkit.tasks.preflight import MINIMUM_MEMORY, MINIMUM_WORKER_MEMORY, Refusal, Requirements, checks

MOST_MASTERS = 7
"""etcd's own advice."""

CONTROL_PLANE_TAINT = Taint(key="node-role.kubernetes.io/control-plane", effect="PreferNoSchedule")
"""Where the operator says nothing: workloads go elsewhere if there is an elsewhere. etcd and the control plane are kept
from starving by reservations and not by emptiness, so that a cluster of one machine is of use."""

_EVERYBODY = "localhost"
_RENAME = "give the host a name of its own: `hostnamectl set-hostname NAME`"
_GIB = 1 << 30


class ArtifactFile(BaseModel):
    """An artifact as a mirror has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    size: int
    """Bytes."""


class Options(BaseModel):
    """How artifacts get to hosts, and how much happens at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uploads: int = 16
    """In all: they share this machine's processors and link."""
    uploads_each: int = 2
    """To each host: what comes first is unpacked while the rest comes (lab: kubelet started after 12 s, not 16)."""
    imports: int = 4
    """Images on each host. Unpacking one takes a processor, and a control plane needs four before it starts."""
    joins: int | None = None
    """Workers whose kubelets come up; None for all of them."""
    share: bool = False
    """Whether hosts give each other what several of them need."""


class EtcdOptions(BaseModel):
    """What a member is made with, where that isn't what a cluster's masters get."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str | None = None
    """The project's tag; by default what goes with the Kubernetes version."""
    names: tuple[str, ...] = ()
    """More names and addresses that clients reach it by."""
    priorities: tuple[str, ...] = ()
    """Lines for the unit's ``[Service]``."""
    snapshot: str | None = None
    """SHA-256 of a snapshot that a first member starts with."""
    skip_hash_check: bool = False
    present: bool = False
    """Whether the member is there already: it is only seen to be well."""


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
    asked_on: str | None = None
    """The name of the existing master that the cluster is asked on; by default the first."""
    options: Options = Options()
    etcd: EtcdOptions = EtcdOptions()
    own_authorities: bool = False
    """Whether the authorities' certificates and keys are on the host itself, and not in the state."""
    by_hand: str = ""
    """The command, where one host is handled by itself, such as ``nodeadm init``."""

    @property
    def etcd_version(self) -> str:
        """The project's tag."""
        return self.etcd.version or self.cluster.release.etcd

    @property
    def operation(self) -> str:
        """The request in the operator's words."""
        if self.by_hand:
            return self.by_hand
        by_roles: dict[str, list[str]] = {}
        for machine in self.machines:
            by_roles.setdefault(",".join(machine.roles), []).append(f"--ip {machine.address}")
        return "create machine " + ", ".join(f"{' '.join(ips)} --role {role}" for role, ips in by_roles.items())

    @property
    def masters(self) -> tuple[Machine, ...]:
        """All that there will be, those that are there first."""
        return tuple(machine for machine in (*self.existing, *self.machines) if machine.is_master)

    @property
    def anchor(self) -> str | None:
        """The master that a running cluster is asked on; None for a cluster that is yet to be made."""
        return self.asked_on or next((machine.name for machine in self.existing if machine.is_master), None)

    @property
    def member_addresses(self) -> dict[str, str]:
        """Of etcd's members that are there, by their names: those of their nodes."""
        return {str(machine.node_name): str(machine.address) for machine in self.existing if machine.is_master}

    def checked(self) -> CreateRequest:
        """The request itself. Raises ``UsageError`` or ``InvalidCluster`` when there can't be a plan for it."""
        check_members(self.cluster, self.existing, self.machines)
        known = [str(machine.node_name) for machine in self.existing]
        _unique("node name", (*known, *(node_name(machine, self.facts[machine.name]) for machine in self.machines)))
        _unique("machine-id", (self.facts[machine.name].machine_id for machine in self.machines))
        return self


def check_members(cluster: Cluster, existing: Sequence[Machine], machines: Sequence[Machine]) -> None:
    """Raise ``UsageError`` or ``InvalidCluster`` for machines that can't be made members, whatever their hosts are."""
    members = (*existing, *machines)
    _check_masters(cluster, [machine for machine in members if machine.is_master])
    for machine in machines:
        cluster.check_address(machine.address)
    cluster.check_node_count(len(members))
    _unique("address", (str(machine.address) for machine in members))


def _check_masters(cluster: Cluster, masters: Sequence[Machine]) -> None:
    names = ", ".join(machine.name for machine in masters)
    if not masters:
        raise UsageError("the cluster has no master", hint="create its first machine with --role master")
    if len(masters) > 1 and cluster.vip is None:
        raise UsageError(
            f"several masters are asked for, and the cluster has no virtual address: {names}",
            hint="a cluster gets one when it is described: `cctl create cluster --vip ADDRESS --router-id N`",
        )
    if len(masters) > MOST_MASTERS:
        raise UsageError(
            f"{len(masters)} masters are more than {MOST_MASTERS}: {names}",
            hint="each one more makes every write slower; five survive the loss of two",
        )


def node_name(machine: Machine, facts: Facts) -> str:
    """The machine's name in Kubernetes: the host's own unless something else was asked for."""
    return machine.node_name or facts.hostname.lower()


def taints_of(machine: Machine) -> tuple[Taint, ...]:
    """Of a machine's node."""
    return machine.taints or ((CONTROL_PLANE_TAINT,) if machine.is_master else ())


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
    def local(self) -> str:
        """Where the API server beside it is, on a master."""
        return f"https://{self.local_endpoint}"

    @property
    def taints(self) -> tuple[Taint, ...]:
        """Of its node."""
        return taints_of(self.machine)

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
    return request.cluster.endpoint or Endpoint(host=str(request.masters[0].address), port=API_PORT)


def interface_of(machine: Machine, facts: Facts) -> str:
    """The interface on which a master holds the virtual address: the one with its own, unless another was chosen.

    So whoever reaches the API server by one reaches it by the other. Empty where the host has none; preflight tells.
    """
    return machine.interface or facts.interface_of(str(machine.address)) or ""


def requirements(request: CreateRequest, machine: Machine) -> Requirements:
    """What the host of a machine has to give."""
    # Each artifact is there as a file, unpacked, and for a while beside what it replaces; pods need room too.
    disk = 3 * sum(item.size for item in request.artifacts.values()) + 2 * _GIB
    vip = request.cluster.vip if machine.is_master else None
    return Requirements(
        control_plane=machine.is_master,
        etcd=not request.etcd.present,
        memory=MINIMUM_MEMORY if machine.is_master else MINIMUM_WORKER_MEMORY,
        disk=disk,
        networks={
            "pod network": str(request.cluster.pod_network),
            "service network": str(request.cluster.service_network),
        },
        virtual_address=str(vip.address) if vip else "",
        interface=interface_of(machine, request.facts[machine.name]) if vip else "",
        # All that could ever hold the address begins with the first master, after its host was looked at. Another's may
        # be looked at when the address is held: a run that was interrupted goes on there.
        unheld=vip is not None and request.anchor is None and machine == request.masters[0],
    )


def refusals(request: CreateRequest) -> Iterator[tuple[Machine, Refusal]]:
    """All reasons why hosts can't be used, before anything is started."""
    for machine in request.machines:
        for found in checked_host(request, machine).values():
            for refusal in found:
                yield machine, refusal


def checked_host(request: CreateRequest, machine: Machine) -> dict[str, list[Refusal]]:
    """All checks of a machine's host by their names, each with what it has against it."""
    facts = request.facts[machine.name]
    return {
        "name": list(_name(machine, facts)),
        "address": list(_address(machine, facts)),
        "architecture": list(_architecture(facts)),
        **checks(facts, requirements(request, machine)),
    }


def _name(machine: Machine, facts: Facts) -> Iterator[Refusal]:
    """It becomes the node's, and stands in its certificate."""
    name = node_name(machine, facts)
    try:
        subdomain(name, "node name", NODE_NAME_LIMIT)
    except InvalidCluster as error:
        yield Refusal(what="the host's name can't be a node's", seen=error.message, hint=f"{error.hint}; {_RENAME}")
    if name.partition(".")[0] == _EVERYBODY:
        yield Refusal(what="the host's name is every host's for itself", seen=f"it is called {name}", hint=_RENAME)


def _address(machine: Machine, facts: Facts) -> Iterator[Refusal]:
    """etcd listens at it, and the kubelet's node has it: one that is translated on the way to the host is neither's."""
    if machine.address not in [ip_interface(text).ip for text in facts.addresses]:
        yield Refusal(
            what=f"{machine.address} is not an address of the host itself",
            seen=f"it has {', '.join(facts.addresses) or 'none'}",
            hint="name one that it has with --ip; where that can't be reached from here, by way of a host: --ssh-jump",
        )


def _architecture(facts: Facts) -> Iterator[Refusal]:
    if facts.architecture not in [*Architecture]:
        yield Refusal(
            what="there are no artifacts for the host's architecture",
            seen=f"{facts.architecture}; there are {', '.join(Architecture)}",
            hint="use a host of one of these architectures",
        )
