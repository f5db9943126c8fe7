"""A cluster is described completely, survives being kept as an object, and says what is wrong with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from klusterkit.cluster import CNI, LATEST, RELEASES, Cluster, Endpoint, InvalidCluster, Version

MANIFEST = "apiVersion: v1\nkind: Namespace\nmetadata: {name: mine}\n---\n\n---\napiVersion: v1\nkind: ConfigMap\n"
README = Cluster.of(pod_network="192.168.0.0/16", service_network="192.169.0.0/24")

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)
CLUSTERS = st.builds(
    Cluster.of,
    name=LABEL,
    pod_network=st.sampled_from(["192.168.0.0/16", "10.244.0.0/20", "172.20.0.0/24"]),
    service_network=st.sampled_from(["192.169.0.0/24", "10.96.0.0/12", "10.1.0.0/28"]),
    dns_domain=st.lists(LABEL, min_size=1, max_size=3).map(".".join),
    kubernetes_version=st.builds(
        lambda release, patch: f"{release.minor}.{patch}", st.sampled_from(RELEASES), st.integers(0, 40)
    ),
    endpoint=st.none()
    | st.builds(Endpoint, host=st.sampled_from(["10.250.0.1", "api.example"]), port=st.integers(1, 65535)),
    cni=st.sampled_from([CNI(), CNI(kind="none"), CNI.manifest(MANIFEST)]),
)
VIP = {"address": "10.0.0.100", "router_id": 51}
SIX = Cluster.of(pod_network="fd00:1::/56", service_network="fd00:2::/112", endpoint={"host": "fd00:3::1"})


def test_the_networks_of_the_first_example_are_taken() -> None:
    """They are what cctl's own README has always shown, although 192.169.0.0/24 is nobody's private network."""
    assert str(README.kubernetes_service_ip) == "192.169.0.1"
    assert str(README.dns_service_ip) == "192.169.0.10"
    assert README.node_capacity == 256


def test_what_is_not_said_has_its_default() -> None:
    assert README.kubernetes_version == LATEST
    assert (README.name, README.dns_domain, README.cni.kind, README.endpoint, README.vip) == (
        "cctl-cluster",
        "cluster.local",
        "flannel",
        None,
        None,
    )


@given(CLUSTERS)
def test_a_cluster_survives_being_kept_as_an_object(cluster: Cluster) -> None:
    assert Cluster.from_object(cluster.to_object()) == cluster
    assert Cluster.from_object(json.loads(json.dumps(cluster.to_object()))) == cluster
    assert Cluster.from_object(yaml.safe_load(yaml.safe_dump(cluster.to_object()))) == cluster


@given(CLUSTERS)
def test_an_object_survives_being_read(cluster: Cluster) -> None:
    assert Cluster.from_object(cluster.to_object()).to_object() == cluster.to_object()
    assert Cluster.model_validate_json(cluster.model_dump_json()) == cluster


def test_a_virtual_address_is_the_endpoint_and_survives_with_it() -> None:
    cluster = README.replace(vip=VIP)
    assert str(cluster.endpoint) == "10.0.0.100:6443"
    assert Cluster.from_object(cluster.to_object()) == cluster
    assert Cluster.from_object(README.replace(endpoint={"host": "10.0.0.100"}).to_object()).vip is None


def test_no_host_of_a_cluster_has_its_virtual_address() -> None:
    cluster = README.replace(vip=VIP)
    cluster.check_address(ip_address("10.0.0.5"))
    with pytest.raises(InvalidCluster, match="moves from host to host"):
        cluster.check_address(ip_address("10.0.0.100"))


def test_a_cluster_of_ipv6_is_a_cluster() -> None:
    assert Cluster.from_object(SIX.to_object()) == SIX
    assert SIX.endpoint is not None
    assert SIX.endpoint.url == "https://[fd00:3::1]:6443"


def test_the_object_has_the_shape_of_cluster_api() -> None:
    cluster = README.replace(endpoint=Endpoint(host="10.0.0.1"), kubernetes_version="1.36.3")
    assert cluster.to_object() == {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Cluster",
        "metadata": {
            "name": "cctl-cluster",
            "annotations": {"klusterkit.io/kubernetes-version": "v1.36.3", "klusterkit.io/cni": "flannel"},
        },
        "spec": {
            "clusterNetwork": {
                "pods": {"cidrBlocks": ["192.168.0.0/16"]},
                "services": {"cidrBlocks": ["192.169.0.0/24"]},
                "serviceDomain": "cluster.local",
            },
            "controlPlaneEndpoint": {"host": "10.0.0.1", "port": 6443},
        },
    }


def test_a_cluster_is_replaced_and_never_changed() -> None:
    with pytest.raises(ValidationError):
        README.name = "other"
    assert README.replace(name="other").name == "other"
    with pytest.raises(InvalidCluster):
        README.replace(pod_network="192.169.0.0/16")


def broken(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    data = json.loads(json.dumps(README.to_object()))
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(kind="Machine"), "Cluster object: it has kind 'Machine', expected 'Cluster'"),
        (lambda data: data.update(apiVersion="v1"), "it has apiVersion 'v1'"),
        (lambda data: data["metadata"].pop("name"), "Cluster None: metadata.name is missing"),
        (lambda data: data.pop("spec"), "'cctl-cluster': spec.clusterNetwork.pods.cidrBlocks is missing"),
        (lambda data: data["spec"].update(clusterNetwork=3), "spec.clusterNetwork.pods.cidrBlocks is missing"),
        (
            lambda data: data["spec"]["clusterNetwork"]["pods"].update(cidrBlocks=["10.0.0.0/16", "fd00::/56"]),
            "must be a list of one item",
        ),
        (lambda data: data["spec"].update(controlPlaneEndpoint={"host": "m1", "port": "x"}), "endpoint port"),
        (lambda data: data["spec"].update(controlPlaneEndpoint={"port": 1}), "endpoint host: it is missing"),
        (lambda data: data["metadata"]["annotations"].update({"klusterkit.io/cni": "calico"}), "cni kind"),
    ],
)
def test_a_broken_object_is_refused_with_the_place(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(InvalidCluster) as caught:
        Cluster.from_object(broken(change))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"name": "No_Name"}, "cluster name"),
        ({"dns_domain": "cluster..local"}, "DNS domain"),
        ({"pod_network": "192.168.0.1/16"}, "pod network"),
        ({"service_network": "192.169.0.0/30"}, "service network"),
        ({"service_network": "192.168.5.0/24"}, "pod network and service network"),
        ({"service_network": "fd00::/112"}, "pod network and service network"),
        ({"kubernetes_version": "1.36"}, "Kubernetes version"),
        ({"kubernetes_version": "1.20.1"}, "Kubernetes version"),
        ({"endpoint": {"host": "192.168.3.3"}}, "endpoint 192.168.3.3"),
        ({"endpoint": {"host": "10.0.0.1", "port": 0}}, "control plane endpoint"),
        ({"vip": "10.0.0.9"}, "vip"),
        ({"vip": {"address": "127.0.0.9", "router_id": 1}}, "virtual address"),
        ({"vip": {"address": "255.255.255.255", "router_id": 1}}, "virtual address"),
        ({"vip": {"address": "240.0.0.1", "router_id": 1}}, "virtual address"),
        ({"vip": {"address": "0.0.0.9", "router_id": 1}}, "virtual address"),
        ({"vip": {"address": "10.0.0.9", "router_id": 0}}, "virtual address"),
        ({"vip": {"address": "10.0.0.9", "router_id": 256}}, "virtual address"),
        ({"vip": {"address": "192.168.3.3", "router_id": 1}}, "endpoint 192.168.3.3"),
        ({"vip": {"address": "10.0.0.9", "router_id": 1}, "endpoint": {"host": "10.0.0.8"}}, "control plane endpoint"),
        ({"colour": "blue"}, "cluster colour"),
    ],
)
def test_a_field_that_cannot_be_is_refused_with_its_name(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidCluster) as caught:
        README.replace(**fields)
    assert caught.value.where == where


def test_an_unknown_minor_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidCluster, match=r"1\.35 is not known") as caught:
        README.replace(kubernetes_version=Version(1, 35, 0))
    assert caught.value.hint == "known minors: 1.36 (such as 1.36.3), 1.37 (such as 1.37.2)"


def test_more_nodes_than_the_pod_network_holds_are_refused() -> None:
    README.check_node_count(256)
    with pytest.raises(InvalidCluster, match="has room for 256 nodes, not for 257"):
        README.check_node_count(257)


def test_a_manifest_is_known_by_its_digest() -> None:
    cni = CNI.manifest(MANIFEST)
    assert cni.digest == hashlib.sha256(MANIFEST.encode()).hexdigest()
    with pytest.raises(InvalidCluster, match="is not the one with the digest"):
        CNI.of(kind="manifest", text=MANIFEST + "# changed\n", digest=cni.digest)


def test_a_manifest_that_was_changed_where_it_is_kept_is_refused() -> None:
    data = README.replace(cni=CNI.manifest(MANIFEST)).to_object()
    data["metadata"]["annotations"]["klusterkit.io/cni-manifest"] += "# changed\n"
    with pytest.raises(InvalidCluster, match="is not the one with the digest") as caught:
        Cluster.from_object(data)
    assert "changed by hand" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("---\n---\n", "is empty"),
        ("a: [", "is not YAML: did not find expected node content in line 2"),
        ("just words", "document 1 of the manifest is no Kubernetes object"),
        ("apiVersion: v1\nkind: A\n---\nkind: B\n", "document 2 of the manifest is no Kubernetes object"),
    ],
)
def test_a_manifest_without_kubernetes_objects_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidCluster) as caught:
        CNI.manifest(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: ca}\nstringData: {key: hidden}\n",
        "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret, metadata: {name: ca}, data: {k: aGlk}}]",
        "apiVersion: v1\nkind: List\nitems: [5, {kind: Secret, metadata: {name: ca}, data: {k: aGlk}}]",
        "apiVersion: v1\nkind: SecretList\nitems: [{kind: Secret, metadata: {name: ca}, data: {k: aGlk}}]",
        "apiVersion: v1\nkind: SecretList\nitems: [{metadata: {name: ca}, data: {k: aGlk}}]",
        "apiVersion: v1\nkind: List\nitems: [{kind: SecretList, items: [{metadata: {name: ca}, data: {k: aGlk}}]}]",
        "apiVersion: v1\nkind: ConfigMapList\nitems: [{}, {kind: Secret, metadata: {name: ca}, data: {k: aGlk}}]",
    ],
)
def test_a_manifest_with_a_secret_is_refused_since_manifests_can_be_read_by_all(text: str) -> None:
    with pytest.raises(InvalidCluster) as caught:
        CNI.manifest(f"apiVersion: v1\nkind: A\n---\n{text}")
    assert "document 2 of the manifest has a Secret: ca" in str(caught.value)
    assert "cctl deploy" in str(caught.value.hint)
    assert not {"hidden", "aGlk"}.intersection(f"{caught.value} {caught.value.hint}".split())


@pytest.mark.parametrize("metadata", ["{}", "[1]", "null", "{name: null}"])
def test_a_secret_without_a_name_is_a_secret(metadata: str) -> None:
    with pytest.raises(InvalidCluster, match="has a Secret: without a name"):
        CNI.manifest(f"apiVersion: v1\nkind: Secret\nmetadata: {metadata}\n")


def test_lists_of_a_manifest_are_opened_and_their_items_are_of_the_kind_of_the_list() -> None:
    lists = "kind: List\napiVersion: v1\nitems: [{kind: ConfigMapList, items: [{metadata: {name: a}}, {kind: Pod}]}]"
    assert [each["kind"] for each in CNI.manifest(lists).objects] == ["ConfigMap", "Pod"]


def test_an_object_whose_kind_only_ends_like_a_list_is_one_object() -> None:
    assert len(CNI.manifest("apiVersion: a/v1\nkind: AllowList\nspec: {}\n").objects) == 1


def test_kind_and_manifest_go_together() -> None:
    with pytest.raises(InvalidCluster, match="don't go together"):
        CNI(kind="flannel", text=MANIFEST)
    with pytest.raises(InvalidCluster, match="don't go together"):
        CNI(kind="manifest")
