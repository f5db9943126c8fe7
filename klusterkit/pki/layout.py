"""Where kubeadm keeps certificates and kubeconfigs, below its certificate folder and ``/etc/kubernetes``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType


class AuthorityName(StrEnum):
    """The authorities of a cluster, by kubeadm's names. Separate, so that none vouches for another's clients."""

    KUBERNETES = "ca"
    """The API server, its clients, the kubelets."""
    FRONT_PROXY = "front-proxy-ca"
    """Only the API server as a client of aggregated API servers."""
    ETCD = "etcd-ca"
    """etcd's members and clients."""

    @property
    def common_name(self) -> str:
        """The subject that kubeadm gives it."""
        return "kubernetes" if self is AuthorityName.KUBERNETES else self.value

    @property
    def place(self) -> Place:
        """Its certificate and key."""
        return Place(self, "etcd/ca" if self is AuthorityName.ETCD else self.value)


@dataclass(frozen=True)
class Place:
    """A certificate and its key on a host.

    Attributes:
        authority: who issues it; an authority issues itself.
        base: path below the certificate folder, without the ending.
    """

    authority: AuthorityName
    base: str

    @property
    def certificate(self) -> PurePosixPath:
        """Path of the certificate below the certificate folder."""
        return PurePosixPath(f"{self.base}.crt")

    @property
    def key(self) -> PurePosixPath:
        """Path of the private key below the certificate folder."""
        return PurePosixPath(f"{self.base}.key")


CERTIFICATE_FOLDER = PurePosixPath("/etc/kubernetes/pki")
KUBECONFIG_FOLDER = PurePosixPath("/etc/kubernetes")

CERTIFICATES: Mapping[str, Place] = MappingProxyType(
    {
        "apiserver": Place(AuthorityName.KUBERNETES, "apiserver"),
        "apiserver-kubelet-client": Place(AuthorityName.KUBERNETES, "apiserver-kubelet-client"),
        "front-proxy-client": Place(AuthorityName.FRONT_PROXY, "front-proxy-client"),
        "etcd-server": Place(AuthorityName.ETCD, "etcd/server"),
        "etcd-peer": Place(AuthorityName.ETCD, "etcd/peer"),
        "etcd-healthcheck-client": Place(AuthorityName.ETCD, "etcd/healthcheck-client"),
        "apiserver-etcd-client": Place(AuthorityName.ETCD, "apiserver-etcd-client"),
    }
)
"""Leaf certificates by kubeadm's names."""

KUBECONFIGS: Mapping[str, PurePosixPath] = MappingProxyType(
    {
        name: KUBECONFIG_FOLDER / f"{name}.conf"
        for name in ("admin", "super-admin", "controller-manager", "scheduler", "kubelet")
    }
)
"""Kubeconfigs by kubeadm's names. Their client certificates come from the Kubernetes authority."""
