"""systemd units of what runs outside Kubernetes, with what protects them when the host runs short of something."""

from __future__ import annotations

from functools import lru_cache

from klusterkit.plans.files.keepalived import HAND_OVER_PATH, HAND_OVER_SECONDS

OOM_PROTECTED = "OOMScoreAdjust=-999\n"
"""The kernel ends nearly everything else first. A host without CAP_SYS_RESOURCE refuses to start such a unit."""


@lru_cache(maxsize=8)
def containerd(*, can_lower_oom_score: bool) -> str:
    """containerd. Containers live on when it stops (``KillMode=process``), and it manages their cgroups itself."""
    return f"""\
[Unit]
Description=containerd
Documentation=https://containerd.io
After=network.target local-fs.target

[Service]
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=2
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
{OOM_PROTECTED if can_lower_oom_score else ""}
[Install]
WantedBy=multi-user.target
"""


@lru_cache(maxsize=8)
def etcd(*, can_lower_oom_score: bool, memory_floor: bool) -> str:
    """etcd. It runs as root, as with kubeadm: a user of its own would be a change to the host's list of users.

    ``memory_floor``: whether the host has cgroup 2, the only one with ``MemoryMin``.
    """
    oom = OOM_PROTECTED if can_lower_oom_score else ""
    floor = "MemoryMin=128M\nMemoryLow=512M\n" if memory_floor else ""
    return f"""\
[Unit]
Description=etcd
Documentation=https://etcd.io/docs
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=/usr/local/bin/etcd --config-file=/etc/etcd/etcd.yaml
Restart=always
RestartSec=2
TimeoutStartSec=infinity
LimitNOFILE=65536
Nice=-10
CPUWeight=1000
IOSchedulingClass=best-effort
IOSchedulingPriority=0
IOWeight=1000
{oom}{floor}NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


@lru_cache(maxsize=256)
def keepalived(root: str, address: str, interface: str, *, can_lower_oom_score: bool) -> str:
    """keepalived, from a file tree of its own: neither the kubelet's nor containerd's end takes the address along.

    When it is stopped, another has the address before it goes; so it is the first to stop when the host shuts down.
    Whatever it dies of, this host stops holding it: the others hear nothing any more, and take it. A kill counts as a
    good end, since what hands the address over can't go on.

    ``root`` is the folder that is its root; ``address``, with its prefix length, is what ``interface`` may hold.
    """
    return f"""\
[Unit]
Description=keepalived
Documentation=https://keepalived.org
After=network-online.target etcd.service containerd.service kubelet.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
RootDirectory={root}
RootDirectoryStartOnly=yes
MountAPIVFS=yes
BindReadOnlyPaths=/etc/keepalived
TemporaryFileSystem=/run
ExecStart=/usr/local/sbin/keepalived --dont-fork --log-console --vrrp
ExecReload=kill -HUP $MAINPID
ExecStop=-{HAND_OVER_PATH} ${{MAINPID}} {address} {interface} {HAND_OVER_SECONDS:g}
KillSignal=SIGKILL
SuccessExitStatus=SIGKILL
ExecStopPost=-ip address delete {address} dev {interface}
Restart=always
RestartSec=1
Nice=-15
CPUWeight=1000
IOSchedulingClass=best-effort
IOSchedulingPriority=0
IOWeight=1000
{OOM_PROTECTED if can_lower_oom_score else ""}NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
"""


@lru_cache(maxsize=8)
def kubelet(*, can_lower_oom_score: bool) -> str:
    """The kubelet, started as kubeadm's packages start it, so that ``kubeadm upgrade`` finds its files."""
    return f"""\
[Unit]
Description=kubelet
Documentation=https://kubernetes.io/docs
After=network-online.target containerd.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --kubeconfig=/etc/kubernetes/kubelet.conf \\
  --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=2
CPUWeight=500
{OOM_PROTECTED if can_lower_oom_score else ""}
[Install]
WantedBy=multi-user.target
"""
