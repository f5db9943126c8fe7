"""What files say: reservations that fit any host, and configurations that their programs' rules allow."""

from __future__ import annotations

import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.plans.files import containerd, etcd, flannel, kubelet
from klusterkit.plans.files.kubeadm import nobody
from klusterkit.plans.files.reservations import reservations

MIB, GIB = 1 << 20, 1 << 30
SMALLEST = 1700 * MIB


def mebibytes(quantity: str) -> int:
    return int(quantity.removesuffix("Mi"))


def millicores(quantity: str) -> int:
    return int(quantity.removesuffix("m"))


@given(memory=st.integers(SMALLEST, 8192 * GIB), cpus=st.integers(1, 1024), control_plane=st.booleans())
def test_reservations_leave_most_of_any_host_to_pods(memory: int, cpus: int, control_plane: bool) -> None:
    kept = reservations(memory, cpus, control_plane=control_plane)
    taken = sum(
        mebibytes(part) for part in (kept.system["memory"], kept.kube["memory"], kept.eviction["memory.available"])
    )
    assert taken * MIB < memory * 0.4
    assert millicores(kept.system["cpu"]) + millicores(kept.kube["cpu"]) < cpus * 1000 * 0.3


@given(memory=st.integers(SMALLEST, 8192 * GIB), cpus=st.integers(2, 1024))
def test_the_smallest_host_has_room_for_the_control_planes_own_pods(memory: int, cpus: int) -> None:
    """API server, controller manager, scheduler, CoreDNS twice and flannel ask for 850 millicores and 190 MiB."""
    kept = reservations(memory, cpus, control_plane=True)
    processors = cpus * 1000 - millicores(kept.system["cpu"]) - millicores(kept.kube["cpu"])
    room = memory // MIB - mebibytes(kept.system["memory"]) - mebibytes(kept.kube["memory"])
    assert processors >= 850 + 150
    assert room - mebibytes(kept.eviction["memory.available"]) >= 190 + 600


@given(st.integers(SMALLEST, 8192 * GIB))
def test_a_control_plane_keeps_more_back_than_a_worker(memory: int) -> None:
    master, worker = (reservations(memory, 4, control_plane=here) for here in (True, False))
    assert mebibytes(master.system["memory"]) >= mebibytes(worker.system["memory"]) + 256


@pytest.mark.parametrize(("memory", "gibibytes"), [(2, 2), (7, 2), (8, 4), (31, 4), (32, 8), (1024, 8)])
def test_the_quota_of_etcd_goes_with_the_hosts_memory_and_stays_below_its_limit(memory: int, gibibytes: int) -> None:
    assert etcd.quota(memory * GIB) == gibibytes * GIB


def test_etcd_is_spoken_to_with_mutual_tls_only() -> None:
    said = yaml.safe_load(etcd.configuration("m1", {"m1": "10.0.0.5"}, "token", 8 * GIB))
    for part in ("client-transport-security", "peer-transport-security"):
        assert said[part]["client-cert-auth"] is True
        assert said[part]["trusted-ca-file"] == "/etc/etcd/pki/ca.crt"
    urls = ",".join(value for name, value in said.items() if name.endswith("-urls") and "metrics" not in name)
    assert all(url.startswith("https://") for url in urls.split(","))
    assert said["listen-metrics-urls"] == "http://127.0.0.1:2381"


def test_etcd_with_an_ipv6_address_is_in_brackets() -> None:
    said = yaml.safe_load(etcd.configuration("m1", {"m1": "fd00::5"}, "token", 8 * GIB))
    assert said["advertise-client-urls"] == "https://[fd00::5]:2379"


@pytest.mark.parametrize("systemd", [True, False])
def test_containerds_configuration_is_toml_with_the_image_that_kubeadm_wants(systemd: bool) -> None:
    text = containerd.configuration("registry.k8s.io/pause:3.10.2", systemd_cgroup=systemd, restrict_oom_score=True)
    plugins = tomllib.loads(text)["plugins"]
    assert plugins["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "registry.k8s.io/pause:3.10.2"
    runc = plugins["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]["runc"]
    assert runc["options"]["SystemdCgroup"] is systemd
    assert plugins["io.containerd.cri.v1.runtime"]["restrict_oom_score_adj"] is True


def test_the_kubelet_asks_nobody_to_sign_for_it() -> None:
    said = kubelet.common("cluster.local", "10.96.0.10", 2)
    assert said["rotateCertificates"] is False
    assert said["serverTLSBootstrap"] is False


def test_flags_of_the_kubelet_name_the_node_and_its_taints() -> None:
    said = kubelet.flags("m1", "10.0.0.5", {"b": "2", "a": "1"}, ("x:NoSchedule",))
    assert "--hostname-override=m1 --node-ip=10.0.0.5 --node-labels=a=1,b=2 --register-with-taints=x:NoSchedule" in said


@pytest.mark.parametrize("network", ["10.244.0.0/16", "fd00:10:244::/56"])
def test_flannel_gets_the_pod_network_of_either_family(network: str) -> None:
    objects = list(yaml.safe_load_all(flannel.manifest(network, "flannel:1", "plugin:1", "10.0.0.5", 6443)))
    (configuration,) = (each for each in objects if each["kind"] == "ConfigMap")
    assert network in configuration["data"]["net-conf.json"]
    assert objects[0]["kind"] == "Namespace"


def test_the_network_is_announced_only_when_the_node_has_its_subnet() -> None:
    text = flannel.manifest("10.244.0.0/16", "f", "p", "10.0.0.5", 6443)
    (daemon,) = (each for each in yaml.safe_load_all(text) if each["kind"] == "DaemonSet")
    pod = daemon["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    script = container["lifecycle"]["postStart"]["exec"]["command"][-1]
    assert script.index("subnet.env") < script.index("10-flannel.conflist")
    assert "10-flannel.conflist" not in str(pod["initContainers"])


def test_the_file_in_place_of_super_admin_conf_gives_no_access() -> None:
    said = yaml.safe_load(nobody("https://10.0.0.5:6443", "c"))
    assert "users" not in said
    assert said["clusters"][0]["cluster"]["certificate-authority"] == "/etc/kubernetes/pki/ca.crt"
