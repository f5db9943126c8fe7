"""``cctl get``: what is asked for, and how it is shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from klusterkit.cli.cctl import cctl
from klusterkit.cli.guard import guarded
from klusterkit.cli.kinds import GIVEN_BACK, KINDS, Asked, asked
from klusterkit.cluster import Cluster, Machine
from klusterkit.cluster.registry import PrivateRegistry
from klusterkit.engine.errors import UsageError
from klusterkit.report.objects import table
from klusterkit.session import listed
from klusterkit.session.machines.desired import read_objects
from klusterkit.state import StateFile, lock

CLUSTER = Cluster.of(pod_network="192.168.0.0/16", service_network="192.169.0.0/24", name="blue")
MACHINES = [
    Machine.of(name="10.0.0.5", address="10.0.0.5", roles="master", cluster="blue", node_name="m1", version="1.36.3"),
    Machine.of(name="w1", address="10.0.0.6", roles="node", cluster="blue", labels={"disk": "ssd"}),
]
CREDENTIAL = {"name": "ssh-credential", "user": "root", "key": "ssh-credential.key", "fingerprint": "SHA256:abc"}

RUN = {
    "name": "20260101T000000-aaaa",
    "operation": "create machine --ip 10.0.0.5",
    "outcome": "done",
    "who": "ada",
    "plan": "sha256:0",
    "began": 1767225600.0,
    "ended": 1767225660.5,
    "tasks": 97,
    "timing": {},
    "path": [],
}
BUNDLE_KEY = "RWQ" + "A" * 53
HOST_KEYS = [f"10.0.0.5 ssh-{kind} {base64.b64encode(kind.encode()).decode()}" for kind in ("ed25519", "rsa")] + [
    "[10.0.0.6]:2222 ssh-rsa AAAA"
]


@pytest.fixture(name="get")
def _get(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    path = tmp_path / "state.yaml"
    with lock(path, "test") as held:
        state = StateFile.create(path, None, lock=held)
        objects = {
            "cluster": CLUSTER.to_object(),
            "machines": [machine.to_object() for machine in MACHINES],
            "credentials": [CREDENTIAL],
            "runs": [RUN],
            "bundle": {"id": "0123456789ab", "created": "2026-01-01T00:00:00Z"},
            "bundle_keys": [BUNDLE_KEY],
            "host_keys": HOST_KEYS,
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
        ("runs,bk", [Asked("run"), Asked("bundlekey")]),
        ("hk", [Asked("hostkey")]),
        ("all", [Asked(kind) for kind in ("cluster", "machine", "credential")]),
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


def test_a_run_is_an_object_of_our_own_without_what_each_task_took(get: Any) -> None:
    assert json.loads(get("run", RUN["name"], "-o", "json")) == {
        "apiVersion": "klusterkit.io/v1alpha1",
        "kind": "Run",
        "metadata": {"name": RUN["name"]},
        "spec": {"operation": RUN["operation"], "plan": "sha256:0"},
        "status": {
            "outcome": "done",
            "who": "ada",
            "tasks": 97,
            "began": "2026-01-01T00:00:00Z",
            "ended": "2026-01-01T00:01:00Z",
        },
    }
    assert get("runs", "-o", "wide").splitlines()[1].split()[-2:] == ["97", "ada"]


def test_the_bundle_in_use_is_shown_with_the_keys_that_are_trusted(get: Any) -> None:
    (key,) = get("bundlekey", "-o", "name").split()
    assert json.loads(get("bundle", "-o", "json"))["status"] == {
        "created": "2026-01-01T00:00:00Z",
        "trustedKeys": [key.removeprefix("bundlekey/")],
    }
    assert get("bk").splitlines()[1].split()[1] == BUNDLE_KEY


def test_all_keys_of_a_host_are_one_object_and_told_by_their_fingerprints(get: Any) -> None:
    first, second = json.loads(get("hostkey", "-o", "json"))["items"]
    assert [key["type"] for key in first["spec"]["keys"]] == ["ssh-ed25519", "ssh-rsa"]
    assert all(key["fingerprint"].startswith("SHA256:") for key in first["spec"]["keys"])
    assert second["metadata"]["name"] == "[10.0.0.6]:2222"


def test_of_what_there_is_none_is_said_to_be_none_yet(get: Any) -> None:
    assert get("recipient") == ""
    assert "there is no recipient yet" in get("recipient", "age1x", code=3)


def test_whatever_is_listed_can_be_asked_for_by_its_name(get: Any) -> None:
    names = get(",".join(listed.KINDS), "-o", "name").split()
    assert len(names) == 5
    assert get(*names, "-o", "name").split() == names


def test_all_is_what_can_be_given_back(get: Any) -> None:
    assert {each["kind"] for each in read_objects(get("all", "-o", "yaml"), "all")} == {
        *("Cluster", "Machine", "Credential")
    }


@pytest.mark.parametrize("kind", listed.KINDS)
def test_what_only_tells_is_refused_by_apply_with_what_changes_it(get: Any, kind: str) -> None:
    words = {name.lower(): hint for name, hint in listed.CHANGED_BY.items()}
    given = get(kind, "-o", "yaml") if kind != "recipient" else yaml.safe_dump({"kind": "Recipient"})
    with pytest.raises(UsageError, match="which is shown and can't be applied") as refused:
        read_objects(given, "objects.yaml")
    assert words[kind] in str(refused.value.hint)


def test_every_kind_is_listed_or_can_be_given_back() -> None:
    assert {*KINDS} == {*listed.KINDS, *GIVEN_BACK}
    assert {*listed.KINDS} == {kind.lower() for kind in listed.CHANGED_BY}


def test_wide_shows_the_virtual_address_its_router_id_and_the_registry() -> None:
    shared = Cluster.of(
        pod_network="192.168.0.0/16",
        service_network="192.169.0.0/24",
        vip={"address": "10.0.0.100", "router_id": 51},
        registry=PrivateRegistry(place="registry.example:5000/k8s"),
    )
    for cluster, told in ((shared, ["10.0.0.100", "51", "registry.example:5000/k8s"]), (CLUSTER, ["-", "-", "-"])):
        wide = table("cluster", [cluster.to_object()], wide=True)
        assert [next(iter(column.cells)) for column in wide.columns][-3:] == told
