"""A real control plane on a real host, made with the original's own three commands."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cluster.machines import well
from tests.support.operator import Operator, nodes_ready

pytestmark = pytest.mark.cluster


def test_the_node_is_ready(cluster: Operator) -> None:
    assert len(nodes_ready(cluster)) == 1


def test_every_pod_of_the_system_runs(cluster: Operator) -> None:
    pods = json.loads(cluster.kubectl("get", "pods", "--all-namespaces", "-o", "json"))["items"]
    names = {pod["metadata"]["name"] for pod in pods}

    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    for wanted in (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "coredns",
        "kube-flannel",
    ):
        assert any(name.startswith(wanted) for name in names), wanted


def test_the_kubeconfig_belongs_to_its_owner_alone(cluster: Operator) -> None:
    path = cluster.folder / "private" / "kubeconfig"
    path.parent.mkdir()

    cluster("kubeconfig", "--out", str(path))

    assert path.stat().st_mode & 0o777 == 0o600


def test_access_is_merged_into_a_users_kubeconfig_and_rotated_there(cluster: Operator, tmp_path: Path) -> None:
    """A later --kubeconfig wins, so it is this file that kubectl goes by."""
    file, theirs = tmp_path / "config", {"name": "theirs", "context": {"cluster": "theirs", "user": "theirs"}}
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "contexts": [theirs]}))

    def given(*options: str) -> bytes:
        cluster("kubeconfig", "--merge", "--use", "--out", str(file), *options)
        assert len(cluster.kubectl("--kubeconfig", str(file), "get", "nodes", "-o", "name").split()) == 1
        config = yaml.safe_load(file.read_text())
        assert theirs in config["contexts"]
        (user,) = config["users"]
        return user["user"]["client-certificate-data"]

    first = given()
    assert given() == first
    assert given("--rotate") != first


def test_kubectl_logs_and_exec_reach_the_kubelet(cluster: Operator) -> None:
    pods = cluster.kubectl("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", "name").split()

    assert "CoreDNS" in cluster.kubectl("logs", "-n", "kube-system", pods[0])


def test_status_says_that_all_is_as_wanted(cluster: Operator) -> None:
    report = well(cluster)

    assert "run" not in report
    assert report["ok"]
    seen = {component["name"]: component["seen"] for component in report["components"]}
    version = report["version"]
    assert seen["quorum"] == "1 of 1 voting members answer; 1 are needed"
    assert seen["kubelet"] == f"active, {version}"
    assert seen["node"] == "Ready"
    assert {"kube-controller-manager", "kube-scheduler", "containerd", "certificates", "pods"} <= set(seen)


def test_status_and_etcdctl_agree_on_the_members(cluster: Operator) -> None:
    (member,) = json.loads(cluster("status", "-o", "json").out)["etcd"]["members"]
    said = cluster.lab("ssh", "c1", "--", "etcdctl.sh endpoint status").split(", ")

    assert member["id"] == said[1]
    assert member["version"] == f"v{said[2]}"
    assert (member["leader"], member["learner"]) == (said[8] == "true", said[9] == "true") == (True, False)


def test_status_shows_a_component_that_is_down_and_exits_8(cluster: Operator) -> None:
    try:
        cluster.lab("ssh", "c1", "--", "systemctl stop kubelet")

        ended = cluster("status", rc=8)
    finally:
        cluster.lab("ssh", "c1", "--", "systemctl start kubelet")

    assert "kubelet: inactive" in ended.out
    assert "journalctl -u kubelet" in ended.out


def test_status_finds_what_has_been_changed_on_the_host(cluster: Operator) -> None:
    """A file, a kernel setting, a program and an image: whatever a run has made so."""
    changes = {
        "/etc/etcd/etcd.yaml": (
            "cp -a /etc/etcd/etcd.yaml /run/kept; echo '#' >>/etc/etcd/etcd.yaml",
            "cp -a /run/kept /etc/etcd/etcd.yaml",
        ),
        "net.ipv4.ip_forward": ("echo 0 >/proc/sys/net/ipv4/ip_forward", "echo 1 >/proc/sys/net/ipv4/ip_forward"),
        "/usr/local/sbin/runc": ("chmod 700 /usr/local/sbin/runc", "chmod 755 /usr/local/sbin/runc"),
        "kubelet.service": ("systemctl disable kubelet", "systemctl enable kubelet"),
    }
    try:
        cluster.lab("ssh", "c1", "--", "; ".join(do for do, _ in changes.values()))
        report = json.loads(cluster("status", "-o", "json", rc=8).out)
    finally:
        cluster.lab("ssh", "c1", "--", "; ".join(undo for _, undo in changes.values()))

    drift = next(component["seen"] for component in report["components"] if component["name"] == "drift")
    assert {name for name in changes if name in drift} == set(changes), drift
    assert len(drift.splitlines()) == len(changes), drift
    well(cluster)


def test_ssh_enters_the_machine_as_cctl_does_and_leaves_no_key(cluster: Operator) -> None:
    """The operator's folder has no key: it is in the state."""
    before = {path for path in cluster.folder.rglob("*") if path.is_file()}

    assert cluster("ssh", "c1", "--", "uname -n; exit 3", rc=3).out == "c1\n"
    assert "no machine c9" in cluster("ssh", "c9", "--", "true", rc=3).err
    assert {path for path in cluster.folder.rglob("*") if path.is_file()} == before


def test_versions_of_all_parts_are_those_that_are_wanted(cluster: Operator) -> None:
    said = json.loads(cluster("version", "-o", "json").out)
    (machine,) = said["machines"]

    assert set(said["wanted"]) <= set(machine["parts"])
    assert {part: machine["parts"][part] for part in said["wanted"]} == said["wanted"]


def test_status_is_watched_and_tells_what_changes(cluster: Operator) -> None:
    watching = cluster.start("status", "--watch", "--interval", "0.2")
    assert watching.stdout is not None
    try:
        _read_until(watching, "components as they should be")
        cluster.lab("ssh", "c1", "--", "systemctl stop kubelet")
        _read_until(watching, "kubelet: inactive")
        cluster.lab("ssh", "c1", "--", "systemctl start kubelet")
        _read_until(watching, "kubelet: active")
    finally:
        cluster.lab("ssh", "c1", "--", "systemctl start kubelet")
        watching.send_signal(signal.SIGINT)

    assert watching.wait(timeout=30) == 130


def _read_until(process: subprocess.Popen[str], words: str) -> None:
    """Fails at the end of what the process says."""
    assert process.stdout is not None
    assert any(words in line for line in process.stdout), words


def test_no_authority_key_is_on_the_host(cluster: Operator) -> None:
    found = cluster.lab("ssh", "c1", "--", "find / -xdev -name 'ca.key' -o -xdev -name 'front-proxy-ca.key'")

    assert found.strip() == ""


def test_etcd_answers_only_to_its_own_clients(cluster: Operator) -> None:
    said = cluster.lab("ssh", "c1", "--", "curl -sk https://127.0.0.1:2379/health || echo refused")

    assert "refused" in said


def test_history_tells_who_made_it_and_how_long_each_task_took(cluster: Operator) -> None:
    runs = json.loads(cluster("history", "--timing", "-o", "json").out)

    assert [run["outcome"] for run in runs] == ["done"]
    assert len(runs[0]["timing"]) > 30


def test_objects_are_those_of_cluster_api(cluster: Operator) -> None:
    found = yaml.safe_load(cluster("get", "cluster", "-o", "yaml").out)
    machines = yaml.safe_load(cluster("get", "machine", "-o", "yaml").out)

    assert found["apiVersion"] == "cluster.x-k8s.io/v1beta2"
    assert found["spec"]["controlPlaneEndpoint"]["port"] == 6443
    assert "kind: Machine" in yaml.safe_dump(machines)


def test_objects_are_edited_given_back_and_the_change_is_taken_back_halfway(cluster: Operator) -> None:
    file, original = cluster.folder / "objects.yaml", cluster("get", "all", "-o", "yaml").out
    objects = yaml.safe_load(original)
    machine = next(each for each in objects["items"] if each["kind"] == "Machine")
    machine["metadata"]["labels"]["disk"] = "ssd"
    machine["spec"]["taints"] = [{"key": "dedicated", "value": "db", "effect": "PreferNoSchedule"}]
    file.write_text(yaml.safe_dump(objects))
    before = _marks(cluster)

    cluster("apply", "-f", str(file), "--yes", crash_after=5, rc=None)
    cluster("rollback", "--yes")
    assert _marks(cluster) == before
    cluster("apply", "-f", str(file), "--yes")
    assert _marks(cluster) == ("ssd", [("dedicated", "db", "PreferNoSchedule")])
    assert "Nothing to do" in cluster("apply", "-f", str(file), "--yes").err
    well(cluster)

    file.write_text(original)
    cluster("apply", "-f", str(file), "--yes")
    assert _marks(cluster) == before


def _marks(cluster: Operator) -> tuple[str | None, list[tuple[str, str | None, str]]]:
    """The node's label disk, and its taints."""
    (node,) = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    taints = [(taint["key"], taint.get("value"), taint["effect"]) for taint in node["spec"].get("taints", [])]
    return node["metadata"]["labels"].get("disk"), taints
