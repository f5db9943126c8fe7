"""A machine is described completely, survives being kept as an object, and says what is wrong with it."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.cluster import Address, InvalidCluster, Machine, Role, Taint, machine_name

M1 = Machine.of(name="10.0.0.1", address="10.0.0.1", roles="master")

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
VALUES = st.from_regex(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?)?", fullmatch=True)
KEYS = st.builds(
    lambda prefix, name: f"{prefix}{name}",
    st.sampled_from(["", "example.com/", "site.node.kubernetes.io/"]),
    st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?", fullmatch=True),
)
MACHINES = st.builds(
    Machine,
    name=NAMES,
    address=st.one_of(st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="fd00::/8")),
    roles=st.sets(st.sampled_from(list(Role)), min_size=1).map(tuple),
    cluster=NAMES,
    port=st.integers(1, 65535),
    user=st.from_regex("[a-z_0-9][a-z_0-9-]{0,11}", fullmatch=True),  # one that begins with a dash is an option of ssh
    node_name=st.none() | NAMES,
    interface=st.none() | st.sampled_from(["eth0", "enp3s0f1", "bond0.100", "br-lan"]),
    version=st.none() | st.sampled_from(["1.36.3", "v1.37.0-rc.1"]),
    labels=st.dictionaries(KEYS, VALUES, max_size=4),
    taints=st.lists(
        st.builds(
            Taint, key=KEYS, value=VALUES, effect=st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])
        ),
        max_size=3,
    ).map(tuple),
)


@given(MACHINES)
def test_a_machine_survives_being_kept_as_an_object(machine: Machine) -> None:
    assert Machine.from_object(machine.to_object()) == machine
    assert Machine.from_object(json.loads(json.dumps(machine.to_object()))) == machine
    assert Machine.from_object(yaml.safe_load(yaml.safe_dump(machine.to_object()))) == machine


@given(MACHINES)
def test_a_machine_survives_a_journey_as_json(machine: Machine) -> None:
    assert Machine.model_validate_json(machine.model_dump_json()) == machine


def test_the_object_has_the_shape_of_cluster_api() -> None:
    machine = M1.replace(
        port=2222,
        user="ops",
        node_name="m1",
        version="1.36.3",
        labels={"rack": "r1"},
        taints=[Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")],
    )
    assert machine.to_object() == {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Machine",
        "metadata": {
            "name": "10.0.0.1",
            "labels": {
                "rack": "r1",
                "cluster.x-k8s.io/cluster-name": "cctl-cluster",
                "cluster.x-k8s.io/control-plane": "",
            },
            "annotations": {
                "klusterkit.io/roles": "master",
                "klusterkit.io/ssh-port": "2222",
                "klusterkit.io/ssh-user": "ops",
            },
        },
        "spec": {
            "clusterName": "cctl-cluster",
            "version": "v1.36.3",
            "taints": [
                {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule", "propagation": "Always"}
            ],
        },
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeRef": {"name": "m1"},
        },
    }


def test_equal_machines_are_equal_text() -> None:
    one = M1.replace(labels={"a": "1", "b": "2"}, roles=["node", "master"])
    other = M1.replace(labels={"b": "2", "a": "1"}, roles=["master", "node"])
    assert one.model_dump_json() == other.model_dump_json()


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ("master", Role.MASTER),
        ("Master", Role.MASTER),
        ("control-plane", Role.MASTER),
        ("node", Role.NODE),
        ("worker", Role.NODE),
    ],
)
def test_a_role_has_several_names(said: str, role: Role) -> None:
    assert Role.parse(said) is role
    assert M1.replace(roles=[said]).roles == (role,)


def test_a_machine_may_have_both_roles_each_once() -> None:
    both = M1.replace(roles=["worker", "master", "node"])
    assert both.roles == (Role.MASTER, Role.NODE)
    assert both.is_master


@pytest.mark.parametrize("said", ["", "boss", "masters", "etcd"])
def test_an_unknown_role_is_refused_with_those_that_are_known(said: str) -> None:
    with pytest.raises(InvalidCluster, match=f"{said!r} is not a role") as caught:
        M1.replace(roles=said)
    assert caught.value.hint == "roles are master (or control-plane) and node (or worker)"


def test_the_role_of_a_foreign_object_is_told_by_its_label() -> None:
    data = M1.to_object()
    del data["metadata"]["annotations"]
    assert Machine.from_object(data).roles == (Role.MASTER,)
    del data["metadata"]["labels"]
    assert Machine.from_object(data).roles == (Role.NODE,)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"name": "M1"}, "machine name"),
        ({"address": "m1.example"}, "machine address"),
        ({"address": "127.0.0.1"}, "machine address"),
        ({"address": ip_address("::1")}, "machine address"),
        ({"roles": []}, "machine role"),
        ({"roles": 3}, "machine roles"),
        ({"port": 0}, "SSH port"),
        ({"port": "ssh"}, "machine port"),
        ({"user": "a b"}, "SSH user"),
        ({"user": ""}, "SSH user"),
        ({"node_name": "n" * 53}, "node name"),
        ({"interface": "eth0; reboot"}, "machine interface"),
        ({"interface": "x" * 16}, "machine interface"),
        ({"version": "latest"}, "Kubernetes version"),
        ({"labels": {"a b": ""}}, "machine label"),
        ({"labels": {"a": "x" * 64}}, "machine label"),
        ({"labels": {"cluster.x-k8s.io/mine": ""}}, "machine label"),
        ({"labels": {"node-role.kubernetes.io/worker": ""}}, "machine label"),
        ({"labels": {"node-restriction.kubernetes.io/tenant": "a"}}, "machine label"),
        ({"labels": {"kubernetes.io/mine": ""}}, "machine label"),
        ({"labels": {"my.k8s.io/x": ""}}, "machine label"),
        ({"labels": {"topology.kubernetes.io/rack": "r1"}}, "machine label"),
        ({"labels": {"/a": ""}}, "machine label"),
        ({"taints": [{"key": "a/b/c", "effect": "NoSchedule"}]}, "taint"),
        ({"taints": [{"key": "a", "effect": "Never"}]}, "taint effect"),
    ],
)
def test_a_field_that_cannot_be_is_refused_with_its_name(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidCluster) as caught:
        M1.replace(**fields)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({}, "status.addresses has no InternalIP"),
        ({"addresses": [{"type": "Hostname", "address": "m1"}]}, "status.addresses has no InternalIP"),
        ({"addresses": "10.0.0.1"}, "status.addresses must be a list of objects"),
        ({"addresses": ["10.0.0.1"]}, "status.addresses must be a list of objects"),
        ({"addresses": [{"type": "InternalIP"}]}, "machine address"),
    ],
)
def test_a_broken_object_is_refused_with_the_place(status: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidCluster) as caught:
        Machine.from_object(M1.to_object() | {"status": status})
    assert message in str(caught.value)


@given(st.ip_addresses())
def test_any_address_gives_a_name_that_a_machine_may_have(address: Address) -> None:
    assert M1.replace(name=machine_name(address)).name == machine_name(address)


def test_a_taint_is_written_as_kubectl_does() -> None:
    assert str(Taint(key="a", value="b", effect="NoExecute")) == "a=b:NoExecute"
    assert str(Taint(key="a", effect="NoSchedule")) == "a:NoSchedule"


@pytest.mark.parametrize(
    "key",
    [
        *("disk", "example.com/disk", "notkubernetes.io/x", "node.kubernetes.io/pool", "a.kubelet.kubernetes.io/x"),
        *("topology.kubernetes.io/zone", "node.kubernetes.io/instance-type", "kubernetes.io/hostname"),
    ],
)
def test_labels_that_kubelets_may_give_their_nodes_are_taken(key: str) -> None:
    assert M1.replace(labels={key: "x"}).labels == {key: "x"}
