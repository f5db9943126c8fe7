"""What a bundle holds for some versions of Kubernetes: all that hosts of any role need, and files as they get them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from klusterkit.bundle.building import Contents, OwnFile
from klusterkit.bundle.manifest import Kind
from klusterkit.cluster import API_PORT, CNI, Architecture, Artifact, Role, Version, Vip, artifacts_for, release_of
from klusterkit.cluster.artifacts import pause_image
from klusterkit.plans.create import extra_artifacts
from klusterkit.plans.files import containerd, etcd, keepalived, kubelet, units
from klusterkit.plans.vip import ROOT

_MEMORY = 8 << 30
"""Of the host that configurations are shown for (bytes): they depend on it."""
_CPUS = 4


def contents_of(versions: Sequence[Version], architecture: Architecture) -> Contents:
    """All of it, for clusters with flannel. Raises ``InvalidCluster`` for a minor that isn't known."""
    wanted = {artifact.url_path: artifact for version in versions for artifact in _artifacts(version, architecture)}
    own = [file for version in versions for file in _own(version)]
    return Contents([version.tag for version in versions], architecture, list(wanted.values()), own)


def _artifacts(version: Version, architecture: Architecture) -> Iterable[Artifact]:
    yield from artifacts_for(Role, version, CNI(), architecture, vip=True)
    yield from extra_artifacts(CNI())


def _own(version: Version) -> Iterator[OwnFile]:
    """Units as hosts get them; configurations of an example host, its own words in capitals."""
    unit_files = {
        "containerd.service": units.containerd(can_lower_oom_score=True),
        "etcd.service": units.etcd(can_lower_oom_score=True, memory_floor=True),
        "kubelet.service": units.kubelet(can_lower_oom_score=True),
        "keepalived.service": units.keepalived(ROOT, "VIRTUAL-ADDRESS/32", "INTERFACE", can_lower_oom_score=True),
    }
    for name, text in unit_files.items():
        yield _file(version, Kind.UNIT, name, text)
    pause = pause_image(release_of(version))
    configurations = {
        "containerd.toml": containerd.configuration(pause, systemd_cgroup=True, restrict_oom_score=False),
        "etcd.yaml": etcd.configuration("NODE", {"NODE": "ADDRESS"}, "TOKEN", _MEMORY),
        "kubelet.yaml": kubelet.configuration(
            "cluster.local",
            "10.1.0.10",
            cgroup=2,
            memory=_MEMORY,
            cpus=_CPUS,
            control_plane=True,
            resolved=False,
        ),
        "keepalived.conf": keepalived.configuration(_VIP, "INTERFACE", "192.0.2.5", ["192.0.2.6"], API_PORT),
        "check-api": keepalived.CHECK,
        "hand-over": keepalived.HAND_OVER,
        "containers.conf": keepalived.CONTAINERS_ORDER,
        "etcdctl.sh": etcd.CLIENT_WRAPPER,
        "etcdctl.env": etcd.client_environment(),
    }
    for name, text in configurations.items():
        yield _file(version, Kind.CONFIGURATION, name, text)


_VIP = Vip.of(address="192.0.2.100", router_id=51)
"""Of the example; addresses are those of RFC 5737."""


def _file(version: Version, kind: Kind, name: str, text: str) -> OwnFile:
    folder = "units" if kind is Kind.UNIT else "configuration"
    return OwnFile(f"klusterkit/{version.tag}/{folder}/{name}", kind, name, version.tag, text.encode())
