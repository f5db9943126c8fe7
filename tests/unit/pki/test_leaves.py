"""The certificates of a cluster say what kubeadm's say."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import PurePosixPath

import pytest

from klusterkit.pki import AuthorityName, InvalidLeaf, Leaf, leaves
from klusterkit.pki.layout import CERTIFICATES, KUBECONFIGS

NODE, ADDRESS = "m1", ip_address("10.0.0.1")
API = leaves.apiserver(NODE, ADDRESS, ip_address("192.169.0.1"), "cluster.local")


def test_the_api_server_answers_to_all_its_names() -> None:
    leaf = leaves.apiserver(
        NODE, ADDRESS, ip_address("192.169.0.1"), "corp.example", "api.corp.example", ["10.9.9.9", "lb"]
    )
    assert leaf.common_name == "kube-apiserver"
    assert leaf.dns_names == (
        "m1",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.corp.example",
        "api.corp.example",
        "lb",
    )
    assert leaf.ip_addresses == tuple(map(ip_address, ("192.169.0.1", "10.0.0.1", "10.9.9.9")))
    assert leaf.usages == ("server",)


def test_an_endpoint_that_is_the_advertised_address_is_there_once() -> None:
    assert leaves.apiserver(NODE, ADDRESS, ip_address("192.169.0.1"), "cluster.local", ADDRESS) == API


@pytest.mark.parametrize("leaf", [leaves.etcd_server(NODE, ADDRESS), leaves.etcd_peer(NODE, ADDRESS)])
def test_etcd_members_are_servers_and_clients_on_every_local_name(leaf: Leaf) -> None:
    assert leaf.common_name == NODE
    assert leaf.dns_names == (NODE, "localhost")
    assert leaf.ip_addresses == tuple(map(ip_address, ("10.0.0.1", "127.0.0.1", "::1")))
    assert set(leaf.usages) == {"server", "client"}


@pytest.mark.parametrize(
    ("leaf", "user", "groups"),
    [
        (leaves.apiserver_kubelet_client(), "kube-apiserver-kubelet-client", ()),
        (leaves.front_proxy_client(), "front-proxy-client", ()),
        (leaves.etcd_healthcheck_client(), "kube-etcd-healthcheck-client", ()),
        (leaves.apiserver_etcd_client(), "kube-apiserver-etcd-client", ()),
        (leaves.admin(), "kubernetes-admin", ("kubeadm:cluster-admins",)),
        (leaves.super_admin(), "kubernetes-super-admin", ("system:masters",)),
        (leaves.controller_manager(), "system:kube-controller-manager", ()),
        (leaves.scheduler(), "system:kube-scheduler", ()),
        (leaves.kubelet("m1"), "system:node:m1", ("system:nodes",)),
    ],
)
def test_a_client_is_known_by_user_and_groups(leaf: Leaf, user: str, groups: tuple[str, ...]) -> None:
    assert (leaf.common_name, leaf.organizations, leaf.usages) == (user, groups, ("client",))
    assert (leaf.dns_names, leaf.ip_addresses) == ((), ())


def test_a_node_name_may_have_52_characters() -> None:
    leaves.kubelet("n" * 52)
    with pytest.raises(InvalidLeaf, match="has 65 characters") as caught:
        leaves.kubelet("n" * 53)
    assert caught.value.hint == "give the host a shorter node name"


def test_paths_are_those_of_kubeadm() -> None:
    assert {name: str(place.certificate) for name, place in CERTIFICATES.items()} == {
        "apiserver": "apiserver.crt",
        "apiserver-kubelet-client": "apiserver-kubelet-client.crt",
        "front-proxy-client": "front-proxy-client.crt",
        "etcd-server": "etcd/server.crt",
        "etcd-peer": "etcd/peer.crt",
        "etcd-healthcheck-client": "etcd/healthcheck-client.crt",
        "apiserver-etcd-client": "apiserver-etcd-client.crt",
    }
    assert KUBECONFIGS["controller-manager"] == PurePosixPath("/etc/kubernetes/controller-manager.conf")


def test_authorities_are_those_of_kubeadm() -> None:
    assert [(name.value, name.common_name, str(name.place.key)) for name in AuthorityName] == [
        ("ca", "kubernetes", "ca.key"),
        ("front-proxy-ca", "front-proxy-ca", "front-proxy-ca.key"),
        ("etcd-ca", "etcd-ca", "etcd/ca.key"),
    ]


def test_only_etcds_authority_vouches_for_etcd() -> None:
    by_etcd = {name for name, place in CERTIFICATES.items() if place.authority is AuthorityName.ETCD}
    assert by_etcd == {"etcd-server", "etcd-peer", "etcd-healthcheck-client", "apiserver-etcd-client"}
    assert CERTIFICATES["front-proxy-client"].authority is AuthorityName.FRONT_PROXY
