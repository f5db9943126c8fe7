"""The versions of all parts, asked of the programs themselves on each machine."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.host import Host
from klusterkit.plans import vip
from klusterkit.session.connect import fleet_for_machines
from klusterkit.session.hold import Hold
from klusterkit.session.sidebyside import SideBySide
from klusterkit.tasks import kubectl

LONGEST = 15.0
"""Seconds for all machines together."""
PATIENCE = 12.0

_BIN = "/usr/local/bin"
_ASK_API = f"--kubeconfig={kubectl.ADMIN} --cache-dir={kubectl.CACHE} --request-timeout=5s get --raw=/version"
PROGRAMS = {
    "kube-apiserver": (kubectl.KUBECTL, _ASK_API),
    "kubelet": (f"{_BIN}/kubelet", "--version"),
    "kubeadm": (f"{_BIN}/kubeadm", "version --output=short"),
    "kubectl": (kubectl.KUBECTL, "version --client"),
    "etcd": (f"{_BIN}/etcd", "--version"),
    "containerd": (f"{_BIN}/containerd", "--version"),
    "runc": ("/usr/local/sbin/runc", "--version"),
    "cni-plugins": ("/opt/cni/bin/bridge", "--version"),
    "keepalived": (f"{vip.ROOT}/usr/local/sbin/keepalived", "--version"),
}
"""Where each is, and how it is asked. The first version in what it says, on either output, is its own.

The API server is asked over the network: what runs may be older than what is installed.
"""


def asking(name: str, path: str, arguments: str) -> str:
    """A line for a shell that says what a program says of itself, if it is there: its name, a tab, the words."""
    # keepalived lives in a file tree of its own, with its libraries.
    there = f"chroot {vip.ROOT} {path.removeprefix(vip.ROOT)}" if path.startswith(vip.ROOT) else path
    return (
        f"if test -x {path}; then said=$({there} {arguments} 2>&1) || said=; "
        f"printf '%s\\t%s\\n' {name} \"$(printf %s \"$said\" | tr '\\n\\t' '  ')\"; fi\n"
    )


_SCRIPT = "".join(asking(name, *how) for name, how in PROGRAMS.items())
_VERSION = re.compile(r"v?(\d+\.\d+(?:\.\d+)?(?:-[0-9A-Za-z.]+)?)")


class MachineVersions(BaseModel):
    """The parts of one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    parts: dict[str, str] = {}
    """Part to version: those of components with a v before them."""
    error: str | None = None
    """Why the machine says nothing."""


class ClusterVersions(BaseModel):
    """What there is, and what is wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wanted: dict[str, str]
    machines: tuple[MachineVersions, ...]


def versions_of(hold: Hold) -> ClusterVersions | None:
    """Ask all machines; None where there are none."""
    cluster, machines = hold.cluster, {machine.name: machine for machine in hold.machines}
    if cluster is None or not machines:
        return None
    with fleet_for_machines(hold, [*machines.values()]) as fleet:
        seen = SideBySide(LONGEST).ask(machines, lambda name: look(fleet[name]))
    return ClusterVersions(wanted=_wanted(cluster), machines=tuple(_told(each, seen) for each in machines.values()))


def _told(machine: Machine, seen: Mapping[str, dict[str, str] | KlusterKitError]) -> MachineVersions:
    found = seen[machine.name]
    if isinstance(found, KlusterKitError):
        return MachineVersions(machine=machine.name, error=found.message)
    return MachineVersions(machine=machine.name, parts=found)


def look(host: Host) -> dict[str, str]:
    """The versions of what a host has."""
    said = host.run(["sh", "-c", _SCRIPT], timeout=PATIENCE)
    lines = [line.partition("\t") for line in said.out.decode(errors="replace").splitlines()]
    found = {name: _version(text) for name, _, text in lines}
    facts = host.facts()
    return {**found, "kernel": facts.kernel, "system": facts.os}


def _version(text: str) -> str:
    found = _VERSION.search(text)
    return f"v{found[1]}" if found else "?"


def _wanted(cluster: Cluster) -> dict[str, str]:
    release, kubernetes = cluster.release, cluster.kubernetes_version.tag
    return {
        **dict.fromkeys(("kube-apiserver", "kubelet", "kubeadm", "kubectl"), kubernetes),
        "etcd": release.etcd,
        "containerd": release.containerd,
        "runc": release.runc,
        "cni-plugins": release.cni_plugins,
        **({"keepalived": f"v{release.keepalived}"} if cluster.vip else {}),
    }
