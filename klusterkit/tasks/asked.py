"""What every host is asked for when it is met: programs, units, paths and features of the kernel that may matter.

Beside the steps that they matter to: whoever only asks needn't import those.
"""

from __future__ import annotations

FEATURES = ("overlay", "br_netfilter", "vxlan", "nf_tables")
"""Of the kernel: container file systems, bridged packets seen by the firewall, pod network, packet filter."""
COREUTILS = (
    *("base64", "cat", "chmod", "chown", "cp", "date", "dd", "head", "id", "mkdir", "mv", "nproc", "readlink", "rm"),
    *("rmdir", "sha256sum", "sleep", "stat", "sync", "tail", "tee", "timeout", "uname"),
)
NEEDED = (
    *COREUTILS,
    *("find", "flock", "grep", "ip", "journalctl", "mount", "setsid", "systemctl", "tar", "umount"),
)
"""What the scripts of ``klusterkit/hosts`` and the steps call. The kernel's tools where the host has modules, and Perl
and OpenSSL, which only make it faster, are no condition."""
PEER_SERVER = "systemd-socket-activate"
PEER_CLIENTS = ("curl", "wget", "bash")
"""Any of these fetches."""
PEER_PROGRAMS = (PEER_SERVER, *PEER_CLIENTS)
"""By which hosts give each other artifacts; without them all comes from the control machine."""
PROGRAMS = (*NEEDED, "iptables", "nft", "conntrack", "socat", "ss", *PEER_PROGRAMS)
KERNEL_FEATURES = (*FEATURES, "ip_vs")
FOREIGN_UNITS = (
    *("kubelet.service", "containerd.service", "crio.service", "etcd.service", "k3s.service", "k3s-agent.service"),
    *("rke2-server.service", "rke2-agent.service", "k0scontroller.service", "k0sworker.service"),
    "snap.microk8s.daemon-kubelite.service",
)
"""Each would meet ours at the same ports, sockets or folders."""
KEEPALIVED_UNIT = "keepalived.service"
UNITS = (*FOREIGN_UNITS, KEEPALIVED_UNIT, "systemd-resolved.service")
FOREIGN_PATHS = {
    "/etc/kubernetes/admin.conf": "a control plane",
    "/etc/kubernetes/kubelet.conf": "a node of a cluster",
    "/etc/kubernetes/manifests/kube-apiserver.yaml": "a control plane",
    "/var/lib/etcd/member": "data of etcd",
    "/var/lib/rancher/k3s": "k3s",
    "/var/lib/rancher/rke2": "rke2",
    "/var/lib/k0s": "k0s",
}
PATHS = tuple(FOREIGN_PATHS)
