"""What belongs to each minor of Kubernetes. This table is the one place to add a minor."""

from __future__ import annotations

from dataclasses import dataclass

from klusterkit.cluster.errors import InvalidCluster
from klusterkit.cluster.versions import Version


@dataclass(frozen=True)
class Release:
    """A minor of Kubernetes and the components that go with every patch of it, by their projects' own tags.

    CoreDNS and pause are what ``kubeadm config images list`` of the tried patch prints; containerd has to be 2.x from
    1.36 on; etcd has to be at least kubeadm's ``MinExternalEtcdVersion`` (3.5.24 for both).
    """

    minor: str
    tried: Version
    """The patch that the whole of this row was tried with."""
    kubeadm_api: str
    """Version of kubeadm's configuration, ``kubeadm.k8s.io/...``."""
    etcd: str
    containerd: str
    runc: str
    cni_plugins: str
    flannel: str
    flannel_cni_plugin: str
    coredns: str
    pause: str
    keepalived: str


RELEASES: tuple[Release, ...] = (
    Release(
        minor="1.36",
        tried=Version(1, 36, 3),
        kubeadm_api="v1beta4",
        etcd="v3.6.16",
        containerd="v2.3.7",
        runc="v1.5.2",
        cni_plugins="v1.9.1",
        flannel="v0.28.10",
        flannel_cni_plugin="v1.9.1-flannel3",
        coredns="v1.14.2",
        pause="3.10.2",
        keepalived="2.0.20",
    ),
    Release(
        minor="1.37",
        tried=Version(1, 37, 2),
        kubeadm_api="v1beta4",
        etcd="v3.6.16",
        containerd="v2.3.7",
        runc="v1.5.2",
        cni_plugins="v1.9.1",
        flannel="v0.28.10",
        flannel_cni_plugin="v1.9.1-flannel3",
        coredns="v1.14.6",
        pause="3.10.2",
        keepalived="2.0.20",
    ),
)
"""The minors that are known, oldest first."""

LATEST = RELEASES[-1].tried
"""What a cluster gets when nobody names a version."""


def release_of(version: Version) -> Release:
    """The row of a version's minor; any patch of a known minor has one.

    Raises:
        InvalidCluster: the minor isn't known.
    """
    for release in RELEASES:
        if release.minor == version.minor:
            return release
    known = ", ".join(f"{release.minor} (such as {release.tried})" for release in RELEASES)
    raise InvalidCluster(
        f"Kubernetes {version.minor} is not known", where="Kubernetes version", hint=f"known minors: {known}"
    )
