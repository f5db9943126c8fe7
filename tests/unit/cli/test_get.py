"""``cctl get``: what is asked for, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from klusterkit.cli.cctl import cctl
from klusterkit.cli.guard import guarded
from klusterkit.cli.kinds import KINDS, Asked, asked
from klusterkit.cluster import Cluster, Machine
from klusterkit.state import StateFile, lock

CLUSTER = Cluster.of(pod_network="192.168.0.0/16", service_network="192.169.0.0/24", name="blue")
MACHINES = [
    Machine.of(name="10.0.0.5", address="10.0.0.5", roles="master", cluster="blue", node_name="m1", version="1.36.3"),
    Machine.of(name="w1", address="10.0.0.6", roles="node", cluster="blue", labels={"disk": "ssd"}),
]
CREDENTIAL = {"name": "ssh-credential", "user": "root", "key": "ssh-credential.key", "fingerprint": "SHA256:abc"}


@pytest.fixture(name="get")
def _get(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    path = tmp_path / "state.yaml"
    with lock(path, "test") as held:
        state = StateFile.create(path, None, lock=held)
        objects = {
            "cluster": CLUSTER.to_object(),
            "machines": [machine.to_object() for machine in MACHINES],
            "credentials": [CREDENTIAL],
        }
        state.fold(state.snapshot.model_copy(update=objects))

    def get(*words: str, code: int = 0) -> str:
        assert guarded(cctl(), ["get", *words, "--state", str(path)]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return get


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("machine", [Asked("machine")]),
        ("Machines", [Asked("machine")]),
        ("ma", [Asked("machine")]),
        ("cluster,cred", [Asked("cluster"), Asked("credential")]),
        ("cl,clusters", [Asked("cluster")]),
        ("machine w1 w2", [Asked("machine", ("w1", "w2"))]),
        ("machine/w1 cl/blue ma/w2 ma/w1", [Asked("machine", ("w1", "w2")), Asked("cluster", ("blue",))]),
        ("all", [Asked(kind) for kind in KINDS]),
    ],
)
def test_words_mean_what_they_mean_to_kubectl(words: str, wanted: list[Asked]) -> None:
    assert asked(words.split()) == wanted


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("pods", "there is no kind 'pods'"),
        ("machine/w1 w2", "not both"),
        ("machine w1 ma/w2", "not both"),
        ("machine,cluster x", "names belong to one kind"),
        ("machine/", "names nothing"),
        ("all w1", "names belong to one kind"),
    ],
)
def test_words_that_mean_nothing_are_refused(words: str, why: str) -> None:
    with pytest.raises(typer.BadParameter, match=why):
        asked(words.split())


def test_one_machine_by_name_is_one_object_and_several_are_a_list(get: Any) -> None:
    assert json.loads(get("machine", "w1", "-o", "json")) == MACHINES[1].to_object()
    several = json.loads(get("machines", "-o", "json"))
    assert (several["apiVersion"], several["kind"]) == ("v1", "List")
    assert several["items"] == [machine.to_object() for machine in MACHINES]


def test_the_cluster_is_one_object_without_being_named(get: Any) -> None:
    assert yaml.safe_load(get("cl", "-o", "yaml")) == CLUSTER.to_object()


def test_the_order_of_names_is_kept(get: Any) -> None:
    assert get("ma", "w1", "10.0.0.5", "-o", "name").split() == ["machine/w1", "machine/10.0.0.5"]


def test_what_name_prints_can_be_asked_for(get: Any) -> None:
    names = get("all", "-o", "name").split()
    assert names == ["cluster/blue", "machine/10.0.0.5", "machine/w1", "credential/ssh-credential"]
    assert get(*names, "-o", "name").split() == names


def test_several_kinds_are_several_tables_and_names_say_the_kind(get: Any) -> None:
    cluster, machines, credentials = get("all").split("\n\n")
    assert cluster.splitlines()[1].startswith("cluster/blue ")
    assert [line.split()[0] for line in machines.splitlines()] == ["NAME", "machine/10.0.0.5", "machine/w1"]
    assert credentials.splitlines()[1].split() == ["credential/ssh-credential", "root", "SHA256:abc"]


def test_wide_shows_labels_and_the_login(get: Any) -> None:
    assert get("machine", "w1", "-o", "wide").splitlines()[1].split()[-3:] == ["root@10.0.0.6:22", "disk=ssd", "-"]


def test_a_credential_is_an_object_that_names_its_secret(get: Any) -> None:
    data = json.loads(get("credential", "-o", "json"))
    assert data["spec"] == {"user": "root", "secretRef": {"name": "ssh-credential.key"}}
    assert data["status"] == {"fingerprint": "SHA256:abc"}


def test_machines_can_be_asked_for_by_address_as_ever(get: Any) -> None:
    assert get("machine", "--ip", "10.0.0.6", "-o", "name") == "machine/w1\n"


@pytest.mark.parametrize("words", [["machine", "w9"], ["machine/w9"], ["machine", "--ip", "10.0.0.9"]])
def test_what_is_not_there_is_said_with_what_is(get: Any, words: list[str]) -> None:
    said = get(*words, code=3)
    assert "there is no machine" in said
    assert "10.0.0.5" in said
