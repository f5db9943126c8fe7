"""What files say: reservations that fit any host, and configurations that their programs' rules allow."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.cluster import Vip
from klusterkit.plans.files import containerd, etcd, flannel, keepalived, kubelet
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


def configured(*peers: str, vip: str = "10.0.0.100", address: str = "10.0.0.5") -> str:
    return keepalived.configuration(Vip.of(address=vip, router_id=51), "eth0", address, peers, 6443)


def test_no_two_masters_take_the_address_over_at_the_same_moment() -> None:
    seven = [f"10.0.0.{number}" for number in range(5, 12)]
    texts = [configured(*(peer for peer in seven if peer != own), address=own) for own in seven]
    priorities = [int(text.split("priority ")[1].split()[0]) for text in texts]
    assert priorities == sorted({*priorities}, reverse=True)
    assert all(0 < priority < 255 for priority in priorities)


def test_masters_share_an_address_by_unicast_and_none_takes_it_from_another() -> None:
    said = configured("10.0.0.6", "10.0.0.7").split()
    assert {"nopreempt", "BACKUP", "enable_script_security"} <= {*said}
    assert "MASTER" not in said
    assert " ".join(said[said.index("unicast_peer") :]).startswith("unicast_peer { 10.0.0.6 10.0.0.7 }")


@pytest.mark.parametrize(
    ("vip", "address", "loopback"), [("10.0.0.100", "10.0.0.5", "127.0.0.1"), ("fd00::9", "fd00::5", "::1")]
)
def test_a_master_without_peers_never_uses_multicast(vip: str, address: str, loopback: str) -> None:
    said = configured(vip=vip, address=address).split()
    assert said[said.index("unicast_peer") :][:4] == ["unicast_peer", "{", loopback, "}"]


def test_the_check_asks_this_hosts_api_server_first() -> None:
    assert f'"{keepalived.CHECK_PATH} 10.0.0.5:6443 10.0.0.6:6443"' in configured("10.0.0.6")
    assert f'"{keepalived.CHECK_PATH} [fd00::5]:6443"' in configured(vip="fd00::9", address="fd00::5")


HTTP_ERROR, DEAD, TIMED_OUT = 22, 7, 28
"""curl's exit codes."""


def asked(tmp_path: Path, **ends: int) -> tuple[bool, list[str]]:
    """Run the check with a curl that ends so for these hosts, with 0 for others: whether to hold the address."""
    curl = tmp_path / "curl"
    cases = "".join(f"https://{host}:6443/readyz) exit {code} ;;\n" for host, code in ends.items())
    last = "#!/bin/sh\nfor url; do :; done\n"
    curl.write_text(
        f'{last}host=${{url#https://}}\necho "${{host%%:*}}" >>{tmp_path}/log\ncase "$url" in {cases}esac\n'
    )
    curl.chmod(0o755)
    check = tmp_path / "check"
    check.write_text(keepalived.CHECK)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ended = subprocess.run(["sh", check, "own:6443", "one:6443", "two:6443"], env=environment, check=False)
    return ended.returncode == 0, (tmp_path / "log").read_text().split()


@pytest.mark.parametrize(
    ("ends", "holds", "asks"),
    [
        ({}, True, ["own"]),
        ({"own": DEAD}, False, ["own"]),
        ({"own": HTTP_ERROR, "one": HTTP_ERROR}, False, ["own", "one", "two"]),
        ({"own": HTTP_ERROR, "one": HTTP_ERROR, "two": HTTP_ERROR}, True, ["own", "one", "two"]),
        ({"own": TIMED_OUT, "one": DEAD}, False, ["own", "one", "two"]),
        ({"own": TIMED_OUT, "one": TIMED_OUT, "two": TIMED_OUT}, True, ["own", "one", "two"]),
    ],
    ids=["it is ready", "it is dead", "its etcd is down", "all of etcd is", "it hangs", "all hosts are busy"],
)
def test_the_address_moves_where_that_helps(tmp_path: Path, ends: dict[str, int], holds: bool, asks: list[str]) -> None:
    assert asked(tmp_path, **ends) == (holds, asks)
