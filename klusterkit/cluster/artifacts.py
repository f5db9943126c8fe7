"""What a host needs of the download sites, and where it is in a mirror of them.

A mirror has one folder for each site, with the site's own paths below it. Images, which the sites keep in registries,
are archives at ``images/REGISTRY/REPOSITORY/TAG.tar``; such an archive may hold more than one architecture, and
containerd takes the host's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from klusterkit.cluster.cni import CNI
from klusterkit.cluster.errors import InvalidCluster
from klusterkit.cluster.machine import Role
from klusterkit.cluster.releases import Release, release_of
from klusterkit.cluster.versions import Version

PROGRAMS = {Role.MASTER: ("kubeadm", "kubelet", "kubectl"), Role.NODE: ("kubeadm", "kubelet")}
STATIC_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


class ArtifactKind(StrEnum):
    """What is done with an artifact on the host."""

    BINARY = "binary"
    """One program, as it is."""
    ARCHIVE = "archive"
    """A gzipped tar to unpack."""
    IMAGE = "image"
    """An archive to import into containerd."""


class Architecture(StrEnum):
    """As Go and the download sites name it."""

    AMD64 = "amd64"
    ARM64 = "arm64"

    @classmethod
    def parse(cls, text: str) -> Architecture:
        """From its name.

        Raises:
            InvalidCluster: there are no artifacts for it.
        """
        try:
            return cls(text)
        except ValueError:
            raise InvalidCluster(
                f"there are no artifacts for {text!r}", where="architecture", hint=f"known: {', '.join(cls)}"
            ) from None


@dataclass(frozen=True)
class Artifact:
    """A file that a host needs.

    Attributes:
        name: the program, project or, for an image, its full reference.
        version: the project's own tag.
        url_path: path below a mirror's root.
        checksum_path: path below a mirror's root of the file that holds its SHA-256, alone or in a line with its name.
    """

    name: str
    kind: ArtifactKind
    version: str
    url_path: str
    checksum_path: str

    @property
    def filename(self) -> str:
        """Its own name: what it is called in the checksum file."""
        return self.url_path.rpartition("/")[2]


def artifacts_for(
    roles: Iterable[Role],
    version: Version,
    cni: CNI,
    architecture: Architecture = Architecture.AMD64,
    *,
    vip: bool = False,
) -> tuple[Artifact, ...]:
    """All that a host of these roles needs, each once: programs, archives, then images.

    ``vip``: whether the cluster's masters share a virtual address.

    Raises:
        InvalidCluster: the minor isn't known.
    """
    wanted, release = set(roles), release_of(version)
    role = Role.MASTER if Role.MASTER in wanted else Role.NODE
    return (
        *(_program(name, version, architecture) for name in PROGRAMS[role]),
        _runc(release, architecture),
        *([etcd_archive(release.etcd, architecture)] if role is Role.MASTER else []),
        _containerd(release, architecture),
        _cni_plugins(release, architecture),
        *(_image(reference) for reference in images_for(role, version, cni, vip=vip)),
    )


def images_for(role: Role, version: Version, cni: CNI, *, vip: bool = False) -> tuple[str, ...]:
    """References of the images that a host of a role runs.

    CoreDNS is on every host: its pods tolerate every node, and when a master is drained they go to a worker, which has
    nowhere to pull from in an air-gapped site. The static pods of the control plane are on masters only. etcd is no
    image: it runs outside Kubernetes. What the manifest of an operator's own CNI runs is the operator's to bring.
    """
    release = release_of(version)
    everywhere = [
        pause_image(release),
        f"registry.k8s.io/kube-proxy:{version.tag}",
        f"registry.k8s.io/coredns/coredns:{release.coredns}",
    ]
    control_plane = [f"registry.k8s.io/{name}:{version.tag}" for name in STATIC_PODS] if role is Role.MASTER else []
    address = [keepalived_image(release)] if vip and role is Role.MASTER else []
    return (*control_plane, *address, *everywhere, *(flannel_images(release) if cni.kind == "flannel" else ()))


def keepalived_image(release: Release) -> str:
    """Reference of the image that keepalived's files come from. It has curl too, by which the API server is asked."""
    return f"docker.io/osixia/keepalived:{release.keepalived}"


def pause_image(release: Release) -> str:
    """The image that holds a pod's namespaces: containerd, the kubelet and kubeadm have to agree on it."""
    return f"registry.k8s.io/pause:{release.pause}"


def flannel_images(release: Release) -> tuple[str, str]:
    """References of flannel's daemon and of its CNI plugin."""
    return (
        f"ghcr.io/flannel-io/flannel:{release.flannel}",
        f"ghcr.io/flannel-io/flannel-cni-plugin:{release.flannel_cni_plugin}",
    )


def _program(name: str, version: Version, architecture: Architecture) -> Artifact:
    path = f"dl.k8s.io/release/{version.tag}/bin/linux/{architecture}/{name}"
    return Artifact(name, ArtifactKind.BINARY, version.tag, path, f"{path}.sha256")


def etcd_archive(tag: str, architecture: Architecture) -> Artifact:
    """etcd's programs."""
    name = f"etcd-{tag}-linux-{architecture}.tar.gz"
    return _released("etcd", ArtifactKind.ARCHIVE, "etcd-io/etcd", tag, name, "SHA256SUMS")


def _containerd(release: Release, architecture: Architecture) -> Artifact:
    name = f"containerd-{release.containerd.removeprefix('v')}-linux-{architecture}.tar.gz"
    project = "containerd/containerd"
    return _released("containerd", ArtifactKind.ARCHIVE, project, release.containerd, name, f"{name}.sha256sum")


def _runc(release: Release, architecture: Architecture) -> Artifact:
    name = f"runc.{architecture}"
    return _released("runc", ArtifactKind.BINARY, "opencontainers/runc", release.runc, name, "runc.sha256sum")


def _cni_plugins(release: Release, architecture: Architecture) -> Artifact:
    name = f"cni-plugins-linux-{architecture}-{release.cni_plugins}.tgz"
    project = "containernetworking/plugins"
    return _released("cni-plugins", ArtifactKind.ARCHIVE, project, release.cni_plugins, name, f"{name}.sha256")


def _released(name: str, kind: ArtifactKind, project: str, tag: str, file: str, checksum: str) -> Artifact:
    page = f"github.com/{project}/releases/download/{tag}"
    return Artifact(name, kind, tag, f"{page}/{file}", f"{page}/{checksum}")


def _image(reference: str) -> Artifact:
    repository, _, tag = reference.rpartition(":")
    path = f"images/{repository}/{tag}.tar"
    return Artifact(reference, ArtifactKind.IMAGE, tag, path, f"{path}.sha256")
