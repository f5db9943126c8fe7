"""The vocabulary: idempotent, undoable steps. Importing it registers every kind, so that plans can be read."""

from klusterkit.tasks import (
    access,
    artifacts,
    certificates,
    containerd,
    etcd,
    files,
    gates,
    kernel,
    kubeadm,
    kubelet,
    manifest,
    network,
    preflight,
    probe,
    systemd,
    tree,
)

__all__ = [
    "access",
    "artifacts",
    "certificates",
    "containerd",
    "etcd",
    "files",
    "gates",
    "kernel",
    "kubeadm",
    "kubelet",
    "manifest",
    "network",
    "preflight",
    "probe",
    "systemd",
    "tree",
]
