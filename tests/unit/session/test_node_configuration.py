"""The original's configuration files: what is taken, what is passed over, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from klusterkit.engine.errors import UsageError
from klusterkit.session.host.nodeconfig import read_configuration

INIT = """\
masterConfiguration:
  apiVersion: kubeadm.k8s.io/v1alpha2
  kind: MasterConfiguration
  kubernetesVersion: v1.36.3
  api: {advertiseAddress: 10.0.0.5, bindPort: 6443, controlPlaneEndpoint: 10.0.0.100}
  apiServerCertSANs: [10.0.0.100]
  nodeRegistration:
    name: 10.0.0.5
    taints: [{key: node-role.kubernetes.io/master, effect: PreferNoSchedule}, {key: a, value: b, effect: NoExecute}]
  networking: {podSubnet: 10.4.0.0/16, serviceSubnet: 10.5.0.0/16, dnsDomain: cluster.local}
  etcd:
    external: {endpoints: ["https://127.0.0.1:2379"], caFile: /etc/etcd/pki/ca.crt}
vipConfiguration: {ip: 10.0.0.100, routerID: 42, networkInterface: eth1}
"""
JOIN = """\
nodeConfiguration:
  token: abcdef.0123456789abcdef
  discoveryTokenAPIServers: ["10.0.0.5:6443"]
  discoveryTokenCACertHashes: ["sha256:1234"]
  nodeRegistration: {name: w1}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "nodeadm.yaml"
    path.write_text(text)
    return path


def test_a_master_is_what_the_file_says(tmp_path: Path) -> None:
    found = read_configuration(written(tmp_path, INIT), "init")
    assert found.cluster == {
        "kubernetes_version": "v1.36.3",
        "pod_network": "10.4.0.0/16",
        "service_network": "10.5.0.0/16",
        "dns_domain": "cluster.local",
        "vip": {"address": "10.0.0.100", "router_id": 42},
    }
    assert found.node == {
        "address": "10.0.0.5",
        "name": "10.0.0.5",
        "taints": ("node-role.kubernetes.io/master:PreferNoSchedule", "a=b:NoExecute"),
        "interface": "eth1",
    }


def test_the_api_server_of_a_join_is_the_master_and_its_token_goes_nowhere(tmp_path: Path) -> None:
    found = read_configuration(written(tmp_path, JOIN), "join")
    assert (found.master, found.node) == ("10.0.0.5", {"name": "w1"})
    assert "abcdef" not in repr(found)


@pytest.mark.parametrize("part", ["apiServerExtraArgs: {v: '2'}", "kubeProxy: {config: {mode: ipvs}}"])
def test_what_there_is_not_is_refused_by_its_name(tmp_path: Path, part: str) -> None:
    text = INIT.replace("masterConfiguration:\n", f"masterConfiguration:\n  {part}\n")
    with pytest.raises(UsageError, match=part.partition(":")[0]):
        read_configuration(written(tmp_path, text), "init")


def test_another_port_of_the_api_server_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"api\.bindPort"):
        read_configuration(written(tmp_path, INIT.replace("bindPort: 6443", "bindPort: 8443")), "init")


@pytest.mark.parametrize("text", ["- a list", "just words", "{", "masterConfiguration: words"])
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        read_configuration(written(tmp_path, text), "init")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        read_configuration(tmp_path / "none.yaml", "join")
