"""Where things are in the mirror: a folder for each official site, the site's own paths below it.

Images, which the sites keep in registries, are OCI archives at `images/REGISTRY/REPOSITORY/TAG.tar`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kklab.artifacts.store import sha256

SHA256_DIGITS = 64


@dataclass(frozen=True)
class File:
    """A file of a site and the one that holds its checksum, both as paths in the mirror.

    Attributes:
        bare: the checksum file holds the checksum alone, not the file's name with it.
    """

    path: str
    checksum: str
    bare: bool = False

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[1]


def kubernetes(version: str, program: str) -> File:
    """A Kubernetes program."""
    path = f"dl.k8s.io/release/{version}/bin/linux/amd64/{program}"
    return File(path, f"{path}.sha256", bare=True)


def etcd(version: str) -> File:
    """The release of etcd."""
    return _release("etcd-io/etcd", version, f"etcd-{version}-linux-amd64.tar.gz", "SHA256SUMS")


def containerd(version: str) -> File:
    """The release of containerd."""
    name = f"containerd-{version.removeprefix('v')}-linux-amd64.tar.gz"
    return _release("containerd/containerd", version, name, f"{name}.sha256sum")


def runc(version: str) -> File:
    """The release of runc: the program itself."""
    return _release("opencontainers/runc", version, "runc.amd64", "runc.sha256sum")


def cni_plugins(version: str) -> File:
    """The release of the CNI project's own plugins."""
    name = f"cni-plugins-linux-amd64-{version}.tgz"
    return _release("containernetworking/plugins", version, name, f"{name}.sha256")


def flannel_plugin(version: str) -> File:
    """The release of flannel's CNI plugin."""
    name = f"cni-plugin-flannel-linux-amd64-{version}.tgz"
    return _release("flannel-io/cni-plugin", version, name, f"{name}.sha256")


def image(reference: str) -> File:
    """The archive of an image, by its full reference (`registry/repository:tag`)."""
    repository, tag = reference.rsplit(":", 1)
    path = f"images/{repository}/{tag}.tar"
    return File(path, f"{path}.sha256")


def write_checksum(mirror: Path, file: File) -> None:
    """Write the checksum of a file as its site does."""
    found = sha256(mirror / file.path)
    (mirror / file.checksum).write_text(found if file.bare else f"{found}  {file.name}\n")


def checksum_in(text: str, name: str) -> str | None:
    """The checksum of a file in the text of a checksum file, in any of the forms that the sites use."""
    for line in text.splitlines():
        words = line.split()
        is_checksum = bool(words) and len(words[0]) == SHA256_DIGITS
        if is_checksum and (len(words) == 1 or words[-1].lstrip("*").rsplit("/", 1)[-1] == name):
            return words[0].lower()
    return None


def _release(project: str, version: str, name: str, checksum: str) -> File:
    page = f"github.com/{project}/releases/download/{version}"
    return File(f"{page}/{name}", f"{page}/{checksum}")
