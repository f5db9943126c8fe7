"""Machines of any roles in one file, written by hand or as Cluster API objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from klusterkit.engine.errors import UsageError
from klusterkit.plans.reference import HIGHLY_AVAILABLE, master, worker
from klusterkit.session.machines.wanted import WantedMachine, read_machines

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
        ("kind: Machine\napiVersion: v1\n", "apiVersion"),
    ],
)
def test_what_is_no_list_of_machines_is_refused_with_an_example(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read(tmp_path, text)
    assert caught.value.hint


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read: No such file"):
        read_machines(tmp_path / "nowhere.yaml")
