"""Manifests of an operator: what can't be deployed is refused before any host is asked, with where and what to do."""

from __future__ import annotations

import json

import pytest

from klusterkit.engine.errors import UsageError
from klusterkit.plans.owned import owned
from klusterkit.plans.reference import CLUSTER
from klusterkit.session.errors import Refused
from klusterkit.session.workloads.kubeyaml import documents
from klusterkit.session.workloads.manifests import Manifest, read_manifests

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: web}\n"
DEFINITION = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\n"


def read(*texts: str) -> tuple[Manifest, ...]:
    sources = [(f"{number}.yaml", text) for number, text in enumerate(texts, start=1)]
    return read_manifests(sources, "default", owned(CLUSTER))


def value(text: str) -> object:
    ((_, document),) = documents(text, "x.yaml")
    return document


# YAML -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a: 2026-01-01", "2026-01-01"),
        ("a: 22:22", "22:22"),
        ("a: 0644", 420),
        ("a: yes", True),
        ("a: '8080'", "8080"),
        ("a: 8080", 8080),
        ("a: 1.0", 1),
        ("a: =", "="),
        ("a: {1: x}", {"1": "x"}),
        ("a: {on: x}", {"true": "x"}),
        ('{"a": "x"}', "x"),
    ],
)
def test_yaml_means_what_it_means_to_kubectl(text: str, meant: object) -> None:
    assert json.dumps(value(text)) == json.dumps({"a": meant})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "line 2"),
        ("a: b: c", "line 1"),
        ("a: &x [*x]", "holds itself"),
        ("a: !!binary aGk=", "binary"),
        ("a: .inf", "float"),
        ("a: !!python/name:os.system x", "constructor"),
    ],
)
def test_what_is_no_yaml_that_kubernetes_takes_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=r"x\.yaml can't be read") as refused:
        value(text)
    assert why in refused.value.message
    assert refused.value.hint


# Objects --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "# only words\n", "---\n---\n"])
def test_a_file_without_an_object_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"no object in 1\.yaml") as refused:
        read(text)
    assert "metadata.name" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("text", "why", "what_to_do"),
    [
        ("words", "is no object but a str", "an object has"),
        ("- 1", "is no object but a list", "an object has"),
        ("apiVersion: v1\nmetadata: {name: a}", "has no kind", "an object has"),
        ("kind: Pod", "has no apiVersion and no metadata.name", "an object has"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}", "has no metadata.name", "an object has"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 1}", "has no metadata.name", "an object has"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: 1}", "namespace is no text", "an object has"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: [b]}", "labels is no mapping", "an object has"),
        ("apiVersion: v1\nkind: List\nitems: []", "is a List", "a document of its own"),
        ("apiVersion: v1\nkind: ConfigMapList\nitems: []", "is a ConfigMapList", "a document of its own"),
        ("apiVersion: klusterkit.io/v1alpha1\nkind: Plan\nmetadata: {name: a}", "cctl's own: Plan", "cctl apply"),
        ("apiVersion: v1\nkind: Node\nmetadata: {name: m1}", "nodes are not deployed", "cctl apply -f"),
        (MAP.replace("settings", "coredns, namespace: kube-system"), "belongs to the cluster itself", "leave it out"),
        (f"{MAP}---\n{MAP}", "there twice, in 1.yaml, document 1 too", "leave one of them out"),
        (f"{MAP}---\n{MAP.replace('settings', 'settings, namespace: default')}", "there twice", "leave one"),
        (f"{SECRET}data: {{a: 'no base64!'}}", "Secret web/login: data.a is not base64", "stringData"),
        (f"{SECRET}stringData: {{pin: 12345678}}", "stringData.pin is no text", "quotes"),
        (f"{SECRET}data: [a]", "data is no mapping", "a key and a value"),
        (DEFINITION, "doesn't say spec.group", "kubectl explain"),
        (f"{DEFINITION}spec: {{group: a, names: {{kind: B}}, versions: [v1]}}", "doesn't say spec.group", "explain"),
    ],
)
def test_what_cannot_be_deployed_is_refused_with_its_place_and_what_to_do(text: str, why: str, what_to_do: str) -> None:
    with pytest.raises(Refused) as refused:
        read(text)
    (reason,) = refused.value.reasons
    assert reason.message.startswith("1.yaml")
    assert why in reason.message
    assert what_to_do in str(reason.hint)


def test_a_machine_as_cctl_writes_it_is_no_object_of_kubernetes() -> None:
    metadata = "{name: a, annotations: {klusterkit.io/roles: node}}"
    text = f"apiVersion: cluster.x-k8s.io/v1beta2\nkind: Machine\nmetadata: {metadata}"
    with pytest.raises(Refused) as refused:
        read(text)
    assert "cctl apply -f" in str(refused.value.reasons[0].hint)


def test_all_that_is_wrong_is_told_at_once_each_with_its_document() -> None:
    with pytest.raises(Refused) as refused:
        read(f"{MAP}---\nkind: Pod\n", f"{MAP}---\nwords\n")
    assert [reason.message.partition(": ")[0] for reason in refused.value.reasons] == [
        "1.yaml, document 2 has no apiVersion and no metadata.name",
        "2.yaml, document 2 is no object but a str",
        "2.yaml, document 1",
    ]


def test_objects_of_the_same_name_in_other_namespaces_are_others() -> None:
    assert len(read(MAP, MAP.replace("settings", "settings, namespace: web"))) == 2


def test_what_a_cluster_has_written_into_an_object_is_left_out() -> None:
    text = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  uid: 0c6f
  resourceVersion: "7"
  creationTimestamp: null
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"data":{"password":"x"}}'
status: {}
"""
    (manifest,) = read(text)
    assert manifest.data == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}


# Secrets --------------------------------------------------------------------------------------------------------------


def test_the_values_of_a_secret_are_kept_apart_from_all_else() -> None:
    (manifest,) = read(
        f"{SECRET}type: Opaque\ndata: {{a: aHVudGVyMg==, b: 'eA=='}}\nstringData: {{b: correct horse}}\n"
    )
    assert manifest.values == {"a": b"hunter2", "b": b"correct horse"}
    assert set(manifest.data) == {"apiVersion", "kind", "metadata", "type"}
    assert "hunter2" not in repr(manifest)


def test_what_is_wrong_with_a_secret_is_said_without_what_is_in_it() -> None:
    with pytest.raises(Refused) as refused:
        read(f"{SECRET}data: {{a: 'hunter2!'}}\nstringData: {{b: 31337}}\n")
    assert not any(each in str(reason) for reason in refused.value.reasons for each in ("hunter2", "31337"))


def test_a_secret_of_somebody_elses_kind_is_an_object_as_any() -> None:
    (manifest,) = read("apiVersion: example.com/v1\nkind: Secret\nmetadata: {name: a}\ndata: {b: 1}\n")
    assert manifest.data["data"] == {"b": 1}
