"""What a host is and can give, found out before a plan is compiled. Generic: nothing here is about Kubernetes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Facts(BaseModel):
    """One host, as it was seen. Sizes in bytes, times in seconds.

    A plan is compiled from facts, and carries the ones that it depends on: :meth:`stable` is what must still hold when
    a saved plan is applied.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hostname: str
    machine_id: str
    os: str
    """``ID-VERSION_ID`` of os-release, such as ``debian-12``."""
    kernel: str
    architecture: str
    """As Go and the download sites name it: ``amd64``, ``arm64``."""
    cpus: int
    memory: int
    memory_available: int
    swap: int
    disk_free: int
    """Free bytes on the file system that holds /var/lib."""
    init: str
    """Name of process 1: ``systemd``, or what the host has in its place."""
    cgroup: int
    """1 or 2: the hierarchy that the kubelet and the container runtime must use."""
    can_lower_oom_score: bool
    """False in hosts without CAP_SYS_RESOURCE: a critical process can't be protected by its OOM score."""
    can_write_conntrack_limits: bool
    kernel_features: tuple[str, ...]
    """Of what was asked for (overlay, br_netfilter, vxlan, nf_tables, ip_vs): what is loaded, built in or loadable."""
    has_modprobe: bool
    """Whether modules can be loaded: the program is there, and modules for the running kernel."""
    name_servers: tuple[str, ...]
    """Of the resolver that pods would use; loopback addresses are left out, as they mean nothing inside a pod."""
    interfaces: dict[str, tuple[str, ...]]
    """Network interfaces, each with its addresses and their prefix lengths, such as ``10.0.0.5/24``; not loopback."""
    default_interface: str
    default_address: str
    listening: tuple[int, ...]
    """TCP ports that somebody listens on, ascending."""
    programs: tuple[str, ...]
    """Of the programs that were asked for: those that the host has."""
    services: tuple[str, ...]
    """Of the systemd units that were asked for: those that are active."""
    paths: tuple[str, ...]
    """Of the paths that were asked for: those that exist."""
    neighbours: dict[str, str] = {}
    """Of the addresses that the network was asked for: those that somebody answers for, each with the hardware address
    (see ``Host.neighbour``)."""
    clock: float
    """Seconds since the epoch on the host when it was asked."""
    clock_offset: float
    """Host's clock minus ours, half the round trip taken off."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those of all interfaces."""
        return tuple(address for addresses in self.interfaces.values() for address in addresses)

    def interface_of(self, address: str) -> str | None:
        """The interface that has an address (without prefix length)."""
        return next((name for name, has in self.interfaces.items() if address in _without_prefix(has)), None)

    def stable(self) -> dict[str, object]:
        """What a plan depends on and what doesn't change by itself."""
        return self.model_dump(mode="json", exclude=_MOVING)


_MOVING = {
    *("memory_available", "disk_free", "listening", "services", "paths", "neighbours", "clock", "clock_offset"),
    "kernel",
}


def _without_prefix(addresses: tuple[str, ...]) -> list[str]:
    return [address.partition("/")[0] for address in addresses]
