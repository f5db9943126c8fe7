"""A host made ready for Kubernetes: looked at, marked, its kernel set, its containers able to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from klusterkit.cluster.artifacts import pause_image
from klusterkit.plans.files import containerd, units
from klusterkit.plans.registry import know_registry
from klusterkit.plans.request import Target, requirements
from klusterkit.plans.shared import directory, install, open_tree, service, text_file, tree, unit, unpack
from klusterkit.tasks.containerd import REGISTRIES
from klusterkit.tasks.files import TextFile
from klusterkit.tasks.kernel import Modules, Sysctl
from klusterkit.tasks.network import Baseline
from klusterkit.tasks.preflight import MARK, Preflight, Requirements

BIN = "/usr/local/bin"

MODULES = ("overlay", "br_netfilter", "vxlan", "nf_tables")
SYSCTL = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
}
PLUGINS = ("bridge", "host-local", "loopback", "portmap", "bandwidth", "firewall", "tuning")
"""Of the CNI project's: what flannel, and most other networks, call. The archive has more."""


@dataclass(frozen=True)
class Prepared:
    """Tasks that what comes later on the host needs."""

    preflight: str
    network: str
    """The packet filter and the kernel are as pods need them, and what they were is known."""
    containerd: str
    plugins: tuple[str, ...]


def prepare(target: Target) -> Prepared:
    """From a bare host to a running containerd."""
    preflight = admit(target, requirements(target.request, target.machine))
    network = _network(target, preflight)
    plugins = _plugins(target, preflight)
    return Prepared(preflight, network, _containerd(target, preflight, network, plugins), plugins)


def admit(target: Target, wanted: Requirements) -> str:
    """See that the host is fit, and mark it as this machine. Returns the task after which anything may change."""
    text = mark(target.request.lineage, target.cluster.name, target.machine.name)
    preflight = target.tasks.add("preflight", Preflight(wanted=wanted, mark=text), cost=0.1)
    target.tasks.add("mark", TextFile(path=MARK, content=text, mode=0o600), preflight)
    return preflight


def mark(lineage: str, cluster: str, machine: str) -> str:
    """What a host keeps of which machine it is."""
    return f"lineage: {lineage}\ncluster: {cluster}\nmachine: {machine}\n"


def _network(target: Target, preflight: str) -> str:
    add = target.tasks.add
    baseline = add("network/baseline", _BASELINE, preflight, cost=0.1)
    modules = add("kernel/modules", _MODULES, baseline, cost=0.05)
    # kube-proxy mounts it, and so it would be made where there is none.
    folder = add("kernel/folder", directory("/lib/modules"), preflight)
    return add("kernel/sysctl", _SYSCTL, modules, folder, cost=0.05)


def _plugins(target: Target, preflight: str) -> tuple[str, ...]:
    add = target.tasks.add
    programs = add("cni/programs", open_tree("/opt/cni"), preflight)
    folder = add("cni/bin", open_tree("/opt/cni/bin", "flannel"), programs)
    networks = add("cni/networks", open_tree("/etc/cni", "net.d/10-flannel.conflist"), preflight)
    addresses = add("cni/addresses", tree("/var/lib/cni"), preflight)
    members = {f"./{name}": f"/opt/cni/bin/{name}" for name in PLUGINS}
    return (unpack(target, "cni/plugins", "cni-plugins", members, preflight, folder), networks, addresses)


def _containerd(target: Target, preflight: str, network: str, plugins: Sequence[str]) -> str:
    add, facts = target.tasks.add, target.facts
    members = {f"bin/{name}": f"{BIN}/{name}" for name in ("containerd", "ctr", "containerd-shim-runc-v2")}
    programs = unpack(target, "containerd/programs", "containerd", members, preflight)
    runc = install(target, "containerd/runc", "runc", "/usr/local/sbin/runc", preflight)
    folder = add("containerd/folder", directory("/etc/containerd"), preflight)
    registries = add("containerd/registries", directory(REGISTRIES), folder)
    known = know_registry(target.tasks, target.cluster.registry, folder, registries)
    text = containerd.configuration(
        pause_image(target.cluster.release),
        systemd_cgroup=facts.cgroup != 1,
        restrict_oom_score=not facts.can_lower_oom_score,
    )
    configuration = add("containerd/configuration", text_file(containerd.PATH, text), folder)
    data = add("containerd/data", tree("/var/lib/containerd", 0o700), preflight)
    own = unit("containerd.service", units.containerd(can_lower_oom_score=facts.can_lower_oom_score))
    written = add("containerd/unit", own, preflight, cost=0.2)
    networks = [plugin for plugin in plugins if plugin.endswith("/networks")]
    needs = (programs, runc, registries, known, configuration, data, written, network, networks)
    return add("containerd/start", service("containerd.service", text), *needs, cost=0.5)


_BASELINE = Baseline()
_MODULES = Modules(names=MODULES)
_SYSCTL = Sysctl(values=SYSCTL)
