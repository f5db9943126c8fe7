"""containerd's configuration (version 3, that of 2.x)."""

from __future__ import annotations

from functools import lru_cache

PATH = "/etc/containerd/config.toml"


@lru_cache(maxsize=16)
def configuration(pause: str, *, systemd_cgroup: bool, restrict_oom_score: bool) -> str:
    """The file's content.

    Args:
        pause: full name of the image that holds a pod's namespaces; the one that kubeadm expects.
        systemd_cgroup: whether containers' cgroups are made by systemd. It has to be as the kubelet has it.
        restrict_oom_score: for hosts that can't lower an OOM score, on which critical pods would otherwise not start.
    """
    return f"""\
version = 3
# Makes folders below /opt that nothing here uses.
disabled_plugins = ["io.containerd.internal.v1.opt"]

# A layer is on the disk before it is taken for unpacked: after a power cut containerd doesn't look again, and
# programs would be empty files, for good.
[plugins."io.containerd.service.v1.diff-service"]
sync_fs = true

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"

[plugins."io.containerd.cri.v1.images".registry]
config_path = "/etc/containerd/certs.d"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = {_truth(restrict_oom_score)}

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "/usr/local/sbin/runc"
SystemdCgroup = {_truth(systemd_cgroup)}
"""


def _truth(value: bool) -> str:
    return "true" if value else "false"
