"""Whether a host can become what is wanted of it: its facts against requirements, before anything is changed there."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster.endpoint import API_PORT
from klusterkit.engine.errors import PermanentError
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import HOME, Host
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks.asked import FEATURES, FOREIGN_PATHS, FOREIGN_UNITS, KEEPALIVED_UNIT, NEEDED

Network = IPv4Network | IPv6Network

MARK = f"{HOME}/machine.yaml"
"""Says which machine of which cluster a host is."""

MIB = 1 << 20
GIB = 1 << 30
MINIMUM_MEMORY = 1700 * MIB
"""Of a control-plane host (kubeadm, ``constants.ControlPlaneMem``)."""
MINIMUM_WORKER_MEMORY = 900 * MIB
CLOCK_TOLERANCE = 60.0
"""Seconds. Certificates begin ten minutes before they are issued; logs and leases want less."""

ETCD_PORTS = {2379: "etcd's clients", 2380: "etcd's members", 2381: "etcd's metrics"}
CONTROL_PLANE_PORTS = {
    API_PORT: "the API server",
    10257: "the controller manager",
    10259: "the scheduler",
}
NODE_PORTS = {
    10248: "the kubelet's health",
    10249: "kube-proxy's metrics",
    10250: "the kubelet",
    10256: "kube-proxy's health",
}
ETCD_UNIT, ETCD_DATA = "etcd.service", "/var/lib/etcd/member"


class Refusal(BaseModel):
    """One reason why a host can't be used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    seen: str
    hint: str
    fatal: bool = True
    """False for what is only worth a warning."""

    def __str__(self) -> str:
        return f"{self.what} ({self.seen}): {self.hint}"


class Requirements(BaseModel):
    """What one machine has to give. Sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    control_plane: bool
    etcd: bool = True
    """Of a control plane: False where its etcd is there already."""
    pods: bool = True
    """False for a host of etcd alone."""
    memory: int
    disk: int
    networks: dict[str, str]
    """Networks that must not hold or overlap what the host is connected to, by their names."""
    name_servers: tuple[str, ...] = ()
    virtual_address: str = ""
    """That it will share with others; nothing where it won't."""
    interface: str = ""
    """On which it will hold that."""
    unheld: bool = False
    """Whether nobody can hold the address yet when this host is looked at: then the network is asked who does."""

    @property
    def ports(self) -> dict[int, str]:
        """Those that have to be free, and whose they will be."""
        etcd = ETCD_PORTS if self.control_plane and self.etcd else {}
        return {**etcd, **(CONTROL_PLANE_PORTS if self.control_plane and self.pods else {})} | (
            NODE_PORTS if self.pods else {}
        )

    def minds(self, what: str) -> bool:
        """Whether a unit or path of others is in the way."""
        return self.etcd if what in (ETCD_UNIT, ETCD_DATA) else self.pods


def check(facts: Facts, wanted: Requirements) -> list[Refusal]:
    """All reasons against this host, at once: nobody likes to be told them one by one."""
    return [refusal for refusals in checks(facts, wanted).values() for refusal in refusals]


def checks(facts: Facts, wanted: Requirements) -> dict[str, list[Refusal]]:
    """Likewise, by what is checked; nothing against a host is an empty list."""
    made = {
        "system": _system,
        "other software": _occupied,
        "ports": _ports,
        "resources": _resources,
        "clock": _clock,
        "networks": _networks,
        "virtual address": _virtual_address,
    }
    return {name: list(each(facts, wanted)) for name, each in made.items()}


def _system(facts: Facts, wanted: Requirements) -> Iterator[Refusal]:
    _ = wanted
    if facts.init != "systemd":
        yield Refusal(
            what="the host doesn't run systemd",
            seen=f"process 1 is {facts.init}",
            hint="use a host that was started with systemd",
        )
    if missing := [name for name in NEEDED if name not in facts.programs]:
        yield Refusal(
            what="programs are missing",
            seen=", ".join(missing),
            hint="install what they belong to: coreutils, findutils, grep, iproute2, mount, systemd, tar or util-linux",
        )
    if not wanted.pods:
        return
    if not {"iptables", "nft"} & {*facts.programs}:
        yield Refusal(
            what="there is no program for packet filter rules", seen="neither iptables nor nft", hint="install iptables"
        )
    if missing := [name for name in FEATURES if name not in facts.kernel_features]:
        yield Refusal(
            what="the kernel lacks what pods need",
            seen=f"not in kernel {facts.kernel}: {', '.join(missing)}",
            hint="install the kernel's extra modules, or a kernel that has them",
        )


def _occupied(facts: Facts, wanted: Requirements) -> Iterator[Refusal]:
    if units := [unit for unit in FOREIGN_UNITS if unit in facts.services and wanted.minds(unit)]:
        yield Refusal(
            what="the host already runs what would be installed, or its like",
            seen=f"active: {', '.join(units)}",
            hint="use a fresh host, or stop and remove these first",
        )
    if paths := [path for path in FOREIGN_PATHS if path in facts.paths and wanted.minds(path)]:
        yield Refusal(
            what="the host already holds a Kubernetes" if wanted.pods else "the host already holds an etcd",
            seen="; ".join(f"{path} is there ({FOREIGN_PATHS[path]})" for path in paths),
            hint="use a fresh host, or reset it with the tool that made it (`kubeadm reset`, `k3s-uninstall.sh`)",
        )


def _ports(facts: Facts, wanted: Requirements) -> Iterator[Refusal]:
    ports = wanted.ports
    for port in sorted(ports):
        if port in facts.listening:
            yield Refusal(
                what=f"port {port}, that of {ports[port]}, is taken",
                seen=f"somebody listens on {port}",
                hint=f"`ss -ltnp 'sport = :{port}'` on the host shows who; end that, or use another host",
            )


def _resources(facts: Facts, wanted: Requirements) -> Iterator[Refusal]:
    if facts.swap and wanted.pods:
        yield Refusal(
            what="swap is on",
            seen=f"{_size(facts.swap)} of swap",
            hint="`swapoff -a`, and take it out of /etc/fstab: the kubelet doesn't start with swap",
        )
    if facts.memory < wanted.memory:
        yield Refusal(
            what="too little memory",
            seen=f"{_size(facts.memory)}; {_size(wanted.memory)} are needed",
            hint="give the host more memory",
        )
    if facts.disk_free < wanted.disk:
        yield Refusal(
            what="too little room below /var/lib",
            seen=f"{_size(facts.disk_free)} free; {_size(wanted.disk)} are needed",
            hint="free some, or give the host a larger disk",
        )
    if wanted.control_plane and wanted.pods and facts.cpus < 2:
        yield Refusal(
            what="a control plane wants two processors",
            seen=f"{facts.cpus}",
            hint="expect slow answers under load",
            fatal=False,
        )


def _clock(facts: Facts, wanted: Requirements) -> Iterator[Refusal]:
    _ = wanted
    if abs(facts.clock_offset) > CLOCK_TOLERANCE:
        side = "ahead" if facts.clock_offset > 0 else "behind"
        yield Refusal(
            what="the host's clock is wrong, or ours",
            seen=f"{abs(facts.clock_offset):.0f} s {side} of this machine's",
            hint="set both by NTP: certificates and leases depend on time",
        )


def _networks(facts: Facts, wanted: Requirements) -> Iterator[Refusal]:
    attached = [ip_interface(address) for address in facts.addresses]
    for name, text in wanted.networks.items():
        network = ip_network(text)
        for there in attached:
            if there.version == network.version and there.network.overlaps(network):
                held = "holds the host's own address" if there.ip in network else "overlaps a network of the host"
                yield Refusal(
                    what=f"the {name} {network} {held}",
                    seen=f"the host has {there}",
                    hint=f"choose a {name} that nothing in the site uses: `cctl create cluster --state NEW-FILE`",
                )


def _virtual_address(facts: Facts, wanted: Requirements) -> Iterator[Refusal]:
    if not wanted.virtual_address:
        return
    if KEEPALIVED_UNIT in facts.services:
        yield Refusal(
            what="the host already runs keepalived",
            seen=f"active: {KEEPALIVED_UNIT}",
            hint="use another host, or stop and remove it: there can be one on a host",
        )
    address = ip_address(wanted.virtual_address)
    has = [ip_interface(text) for text in facts.interfaces.get(wanted.interface, ())]
    if not any(address in there.network for there in has):
        yield Refusal(
            what=f"the virtual address {address} is in no network of the interface {wanted.interface or 'of the host'}",
            seen="; ".join(f"{name}: {', '.join(each)}" for name, each in facts.interfaces.items()),
            hint="choose the interface with --iface NAME, or the address anew: `cctl create cluster --vip ADDRESS`",
        )
    if any(address == ip_interface(text).ip for text in facts.addresses):
        yield Refusal(
            what=f"the host has the virtual address {address} already",
            seen=", ".join(facts.addresses),
            hint="take it away from the host: keepalived will give it to one master at a time",
        )
    elif stranger := facts.neighbours.get(wanted.virtual_address):
        yield Refusal(
            what=f"somebody else on the network has the virtual address {address}",
            seen=f"asked on {wanted.interface}, {stranger} answers for it",
            hint="choose a free one: `cctl create cluster --vip ADDRESS --state NEW-FILE`; or, if it is left over from "
            "an earlier cluster, take it away there: two that have one address cut each other off; a router that "
            "answers for all addresses (proxy ARP) has to leave out this one",
        )


def ask_network(host: Host, facts: Facts, address: str, interface: str) -> Facts:
    """Facts with who in the network of an interface answers for an address, if it is another host."""
    if not interface or any(ip_address(address) == ip_interface(text).ip for text in facts.addresses):
        return facts
    found = host.neighbour(address, interface)
    return facts.model_copy(update={"neighbours": {address: found}}) if found else facts


def _size(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"


class Preflight(Step):
    """See that a host can become the machine that it is wanted as, or refuse with all reasons.

    A host that carries ``mark`` in its own record is that machine already, and isn't judged again by what it runs.
    """

    kind: ClassVar[str] = "host.preflight"
    undoing: ClassVar[Undo] = Undo.NOTHING

    wanted: Requirements
    mark: str

    @property
    def title(self) -> str:
        """What it does."""
        return "see whether the host is fit"

    def observe(self, on: Context) -> Observation:
        """Satisfied on a host that is this machine already."""
        try:
            mine = on.host.read(MARK).decode(errors="replace") == self.mark
        except FileNotFoundError:
            mine = False
        return Observation(satisfied=mine, reason="" if mine else "not looked at yet")

    def apply(self, on: Context, before: Before) -> None:
        """Look, and refuse."""
        _ = before
        facts, wanted = on.host.facts(), self.wanted
        if wanted.unheld:
            facts = ask_network(on.host, facts, wanted.virtual_address, wanted.interface)
        refusals = [refusal for refusal in check(facts, wanted) if refusal.fatal]
        if refusals:
            raise PermanentError(
                f"{on.host.name} can't be used: {'; '.join(refusal.what for refusal in refusals)}",
                host=on.host.name,
                seen="\n".join(refusal.seen for refusal in refusals),
                hint="; ".join(dict.fromkeys(refusal.hint for refusal in refusals)),
            )

    def verify(self, on: Context) -> None:
        """Nothing to add: it ended by having seen it."""
