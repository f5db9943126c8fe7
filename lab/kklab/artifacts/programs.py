"""The Go programs of a cluster, and the versions that this project is tried with."""

from __future__ import annotations

from dataclasses import dataclass

from kklab.artifacts.golang import GoProgram

ETCD = "v3.6.16"
CONTAINERD = "v2.3.7"
RUNC = "v1.5.2"
CNI_PLUGINS = "v1.9.1"
FLANNEL = "v0.28.10"
FLANNEL_PLUGIN = "v1.9.1-flannel3"
PAUSE = "3.10.2"


@dataclass(frozen=True)
class Minor:
    """One Kubernetes minor.

    Attributes:
        version: the release tried, as in `v1.36.3`.
        coredns: the tag that kubeadm of that version asks for.
        coredns_source: the CoreDNS that is built under that tag. It differs where no module of the tag's own
            version is published; the nearest patch release takes its place.
    """

    version: str
    coredns: str
    coredns_source: str


MINORS = {
    "1.36": Minor("v1.36.3", coredns="v1.14.2", coredns_source="v1.14.3"),
    "1.37": Minor("v1.37.2", coredns="v1.14.6", coredns_source="v1.14.6"),
}

KUBERNETES_PROGRAMS = (
    "kubeadm",
    "kubectl",
    "kubelet",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
)


def kubernetes(version: str) -> GoProgram:
    """All programs of one Kubernetes release; kubeadm calls itself v0.0.0 without these values."""
    major, minor, _ = version.removeprefix("v").split(".")
    stamp = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "archive",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return GoProgram(
        name="kubernetes-programs",
        version=version,
        module="k8s.io/kubernetes",
        packages={name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_PROGRAMS},
        values={f"{package}.{key}": value for package in packages for key, value in stamp.items()},
        staging=True,
        seconds=620,
    )


def coredns(version: str) -> GoProgram:
    """CoreDNS."""
    return GoProgram(
        name="coredns-program",
        version=version,
        module="github.com/coredns/coredns",
        packages={"coredns": "github.com/coredns/coredns"},
        seconds=150,
    )


ETCD_PROGRAMS = GoProgram(
    name="etcd-programs",
    version=ETCD,
    module="go.etcd.io/etcd/server/v3",
    packages={
        "etcd": "go.etcd.io/etcd/server/v3",
        "etcdctl": "go.etcd.io/etcd/etcdctl/v3",
        "etcdutl": "go.etcd.io/etcd/etcdutl/v3",
    },
    also={"go.etcd.io/etcd/etcdctl/v3": ETCD, "go.etcd.io/etcd/etcdutl/v3": ETCD},
    seconds=50,
)

CONTAINERD_PROGRAMS = GoProgram(
    name="containerd-programs",
    version=CONTAINERD,
    module="github.com/containerd/containerd/v2",
    packages={
        name: f"github.com/containerd/containerd/v2/cmd/{name}"
        for name in ("containerd", "ctr", "containerd-shim-runc-v2")
    },
    values={"github.com/containerd/containerd/v2/version.Version": CONTAINERD},
    tags=("osusergo", "netgo", "static_build"),
    seconds=70,
)

RUNC_PROGRAM = GoProgram(
    name="runc-program",
    version=RUNC,
    module="github.com/opencontainers/runc",
    packages={"runc": "github.com/opencontainers/runc"},
    values={"main.version": RUNC.removeprefix("v"), "main.gitCommit": RUNC},
    tags=("seccomp", "urfave_cli_no_docs", "netgo", "osusergo"),
    static_c=True,
    seconds=25,
)

CNI_PROGRAMS = GoProgram(
    name="cni-programs",
    version=CNI_PLUGINS,
    module="github.com/containernetworking/plugins",
    packages={
        package.split("/")[-1]: f"github.com/containernetworking/plugins/plugins/{package}"
        for package in (
            *("ipam/dhcp", "ipam/host-local", "ipam/static"),
            *("main/bridge", "main/dummy", "main/host-device", "main/ipvlan", "main/loopback"),
            *("main/macvlan", "main/ptp", "main/tap", "main/vlan"),
            *("meta/bandwidth", "meta/firewall", "meta/portmap", "meta/sbr", "meta/tuning", "meta/vrf"),
        )
    },
    values={
        "github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion": CNI_PLUGINS,
    },
    seconds=30,
)

# The udp backend of flannel is C, and two of the cloud modules that it names aren't published at those versions.
FLANNEL_PROGRAMS = GoProgram(
    name="flannel-programs",
    version=FLANNEL,
    module="github.com/flannel-io/flannel",
    packages={
        "flanneld": "github.com/flannel-io/flannel",
        "install-conf": "github.com/flannel-io/flannel/cmd/install_conf",
    },
    values={"github.com/flannel-io/flannel/pkg/version.Version": FLANNEL},
    replace={
        "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common": "v1.3.205",
        "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/vpc": "v1.3.75",
    },
    static_c=True,
    seconds=150,
)

# The plugin's own repository publishes no module; this is the last version of it at its former home, with a CNI
# library of today: its own knows no configuration of version 1.0.0, which flannel's manifest has.
FLANNEL_PLUGIN_PROGRAM = GoProgram(
    name="flannel-plugin-program",
    version="v0.9.1",
    module="github.com/containernetworking/plugins",
    packages={"flannel": "github.com/containernetworking/plugins/plugins/meta/flannel"},
    also={"github.com/containernetworking/cni": "v1.1.2"},
    seconds=10,
)
