"""What a host keeps back from pods, so that no pod takes etcd, the control plane or the kubelet down with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Reservations:
    """In Kubernetes' quantities, as the kubelet's configuration takes them."""

    system: dict[str, str]
    """For what runs outside Kubernetes: on a control-plane host, etcd above all."""
    kube: dict[str, str]
    """For kubelet and containerd."""
    eviction: dict[str, str]
    """Pods are evicted below these. All signals are given: naming one takes away the defaults of the others."""


@lru_cache(maxsize=1024)
def reservations(memory: int, cpus: int, *, control_plane: bool) -> Reservations:
    """Scaled to the host, in shares that leave the smallest host (1.7 GiB) room for the control plane's own pods.

    Args:
        memory: the host's, in bytes.
        cpus: its processors.
        control_plane: whether etcd runs on it.
    """
    etcd = _within(memory // 10, 256 * MIB, 2 * GIB) if control_plane else 0
    base = _within(memory // 20, 96 * MIB, GIB)
    return Reservations(
        system={"cpu": f"{(150 if control_plane else 50) + 10 * cpus}m", "memory": _mebibytes(base + etcd)},
        kube={"cpu": f"{50 + 10 * cpus}m", "memory": _mebibytes(base)},
        eviction={
            "memory.available": _mebibytes(_within(memory // 20, 100 * MIB, 600 * MIB)),
            "nodefs.available": "10%",
            "nodefs.inodesFree": "5%",
            "imagefs.available": "10%",
            "imagefs.inodesFree": "5%",
            "pid.available": "5%",
        },
    )


def _within(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _mebibytes(size: int) -> str:
    return f"{size // MIB}Mi"
