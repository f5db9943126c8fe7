"""The kubelet's configuration (``kubelet.config.k8s.io/v1beta1``) and flags."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from klusterkit.engine.yamltext import document
from klusterkit.plans.files.reservations import reservations

PATH = "/var/lib/kubelet/config.yaml"
FLAGS_PATH = "/var/lib/kubelet/kubeadm-flags.env"
PKI = "/var/lib/kubelet/pki"
RESOLVED = "/run/systemd/resolve/resolv.conf"
"""The real name servers where systemd-resolved has put a stub at loopback into /etc/resolv.conf."""
SOCKET = "unix:///run/containerd/containerd.sock"


def common(dns_domain: str, dns_address: str, cgroup: int) -> dict[str, Any]:
    """What kubelets of one cluster have in common; kubeadm keeps it in the cluster for those who join.

    Certificates aren't rotated by the kubelet: it would ask the controller manager to sign, and there is no
    authority's key in the cluster that it could sign with.
    """
    old_cgroups = {"failCgroupV1": False} if cgroup == 1 else {}
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "staticPodPath": "/etc/kubernetes/manifests",
        "containerRuntimeEndpoint": SOCKET,
        "cgroupDriver": "cgroupfs" if cgroup == 1 else "systemd",
        **old_cgroups,
        "clusterDomain": dns_domain,
        "clusterDNS": [dns_address],
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "rotateCertificates": False,
        "serverTLSBootstrap": False,
        "tlsCertFile": f"{PKI}/kubelet.crt",
        "tlsPrivateKeyFile": f"{PKI}/kubelet.key",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "shutdownGracePeriod": "0s",
    }


@lru_cache(maxsize=1024)
def configuration(
    dns_domain: str,
    dns_address: str,
    *,
    cgroup: int,
    memory: int,
    cpus: int,
    control_plane: bool,
    resolved: bool,
) -> str:
    """The file's content for a host of this size and role."""
    kept = reservations(memory, cpus, control_plane=control_plane)
    resolver = {"resolvConf": RESOLVED} if resolved else {}
    return document(
        {
            **common(dns_domain, dns_address, cgroup),
            **resolver,
            "enforceNodeAllocatable": ["pods"],
            "systemReserved": kept.system,
            "kubeReserved": kept.kube,
            "evictionHard": kept.eviction,
        }
    )


def flags(node: str, address: str, labels: dict[str, str], taints: tuple[str, ...]) -> str:
    """The file from which the unit takes flags, under the name that kubeadm gives it.

    Args:
        node: the node's name.
        address: the one that other nodes reach it by.
        labels: put on the node when it registers.
        taints: likewise, ``key=value:Effect``.
    """
    words = [f"--hostname-override={node}", f"--node-ip={address}"]
    if labels:
        words.append("--node-labels=" + ",".join(f"{key}={value}" for key, value in sorted(labels.items())))
    if taints:
        words.append("--register-with-taints=" + ",".join(taints))
    return f'KUBELET_KUBEADM_ARGS="{" ".join(words)}"\n'
