"""Machines of any roles in one file, written by hand or as Cluster API objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from klusterkit.cluster import InvalidCluster
from klusterkit.engine.errors import UsageError
from klusterkit.plans.reference import HIGHLY_AVAILABLE, master, worker
from klusterkit.session.machines.wanted import WantedMachine, read_machines, taint

BY_HAND = """\
- ip: 10.0.0.5
  role: master
  iface: eth1
- {ip: 10.0.0.8, role: worker, name: w8, port: 2222, labels: {disk: fast, gpu: true, rack: 7}, taints: [a=b:NoSchedule]}
"""


def read(tmp_path: Path, text: str) -> tuple[WantedMachine, ...]:
    path = tmp_path / "machines.yaml"
    path.write_text(text)
    return read_machines(path)


def test_a_list_by_hand_says_what_differs_and_no_more(tmp_path: Path) -> None:
    first, second = (each.machine(HIGHLY_AVAILABLE, "ops") for each in read(tmp_path, BY_HAND))
    assert (first.name, first.is_master, first.interface, first.user) == ("10.0.0.5", True, "eth1", "ops")
    assert (second.name, second.is_master, second.port) == ("w8", False, 2222)
    assert second.labels == {"disk": "fast", "gpu": "true", "rack": "7"}
    assert [str(taint) for taint in second.taints] == ["a=b:NoSchedule"]


@pytest.mark.parametrize("form", ["stream", "list", "kubernetes list", "json"])
def test_objects_are_taken_in_every_form_in_which_they_are_shown(tmp_path: Path, form: str) -> None:
    machines = [master("10.0.0.5", interface="eth0"), worker("10.0.0.8")]
    objects = [machine.to_object() for machine in machines]
    text = {
        "stream": yaml.safe_dump_all(objects),
        "list": yaml.safe_dump(objects),
        "kubernetes list": yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": objects}),
        "json": json.dumps(objects),
    }[form]
    found = [each.machine(HIGHLY_AVAILABLE, "root") for each in read(tmp_path, text)]
    assert found == [machine.replace(version=HIGHLY_AVAILABLE.kubernetes_version) for machine in machines]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no machine"),
        ("- [", "can't be read"),
        ("- 10.0.0.5", "is not a machine"),
        ("- {ip: 10.0.0.5}", "no role"),
        ("- {role: master}", "no ip"),
        ("- {ip: 10.0.0.5, role: master, colour: blue}", "colour"),
        ("- {ip: 10.0.0.5, role: master, port: many}", "port"),
        ("- {ip: 10.0.0.5, role: master, port: true}", "port should be a whole number"),
        ("- {ip: 10.0.0.5, address: 10.0.0.6, role: master}", "both ip and address"),
        ("- {ip: 10.0.0.5, role: master, roles: [node]}", "both role and roles"),
        ("- {ip: 10.0.0.5, role: master, iface: eth0, interface: eth1}", "both iface and interface"),
        ("- {ip: 10.0.0.5, role: master, labels: {a: [b]}}", "labels.a should be text"),
        ("kind: Machine\napiVersion: v1\n", "apiVersion"),
    ],
)
def test_what_is_no_list_of_machines_is_refused_with_an_example(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read(tmp_path, text)
    assert caught.value.hint


def test_an_object_keeps_the_user_and_the_node_that_it_names(tmp_path: Path) -> None:
    named = worker("10.0.0.8").replace(user="ubuntu", node_name="mynode")
    (found,) = read(tmp_path, yaml.safe_dump(named.to_object()))
    made = found.machine(HIGHLY_AVAILABLE, "root")
    assert (made.user, made.node_name) == ("ubuntu", "mynode")


def test_an_object_without_a_user_is_entered_as_the_credential_says(tmp_path: Path) -> None:
    data = worker("10.0.0.8").to_object()
    del data["metadata"]["annotations"]["klusterkit.io/ssh-user"]
    (found,) = read(tmp_path, yaml.safe_dump(data))
    assert found.machine(HIGHLY_AVAILABLE, "ops").user == "ops"


def test_a_port_of_an_object_is_a_number(tmp_path: Path) -> None:
    data = worker("10.0.0.8").to_object()
    data["metadata"]["annotations"]["klusterkit.io/ssh-port"] = True
    with pytest.raises(UsageError, match="machine port: it should be a whole number"):
        read(tmp_path, yaml.safe_dump(data))


@pytest.mark.parametrize(
    ("fields", "why", "what_to_do"),
    [
        ({"cluster": "another"}, "it is a machine of the cluster another, and this one is", "--state"),
        ({"version": "1.37.2"}, r"it is to have Kubernetes v1\.37\.2, and the cluster has", "leave its version out"),
    ],
)
def test_a_machine_of_another_cluster_or_version_is_refused(
    tmp_path: Path, fields: dict[str, str], why: str, what_to_do: str
) -> None:
    (found,) = read(tmp_path, yaml.safe_dump(worker("10.0.0.8").replace(**fields).to_object()))
    with pytest.raises(InvalidCluster, match=why) as refused:
        found.machine(HIGHLY_AVAILABLE, "root")
    assert what_to_do in str(refused.value.hint)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read: No such file"):
        read_machines(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("text", ["foo", ":NoSchedule", ""])
def test_what_is_no_taint_is_quoted_with_the_form_that_one_has(text: str) -> None:
    with pytest.raises(InvalidCluster, match=f"{text!r} can't be a taint") as refused:
        taint(text)
    assert "KEY[=VALUE]:EFFECT" in refused.value.hint
