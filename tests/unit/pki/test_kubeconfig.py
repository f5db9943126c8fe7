"""A kubeconfig is what client-go reads."""

from __future__ import annotations

from base64 import b64decode

import yaml

from klusterkit.pki import Authority, kubeconfig, leaves


def test_a_kubeconfig_says_where_whom_to_trust_and_who_asks(authority: Authority) -> None:
    issued = authority.issue(leaves.admin())
    text = kubeconfig("https://[fd00::1]:6443", authority.cert_pem, issued.cert_pem, issued.key_pem)
    config = yaml.safe_load(text)
    assert (config["apiVersion"], config["kind"]) == ("v1", "Config")
    (context,) = (item["context"] for item in config["contexts"] if item["name"] == config["current-context"])
    (cluster,) = (item["cluster"] for item in config["clusters"] if item["name"] == context["cluster"])
    (user,) = (item["user"] for item in config["users"] if item["name"] == context["user"])
    assert cluster["server"] == "https://[fd00::1]:6443"
    assert b64decode(cluster["certificate-authority-data"]).decode() == authority.cert_pem
    assert b64decode(user["client-certificate-data"]).decode() == issued.cert_pem
    assert b64decode(user["client-key-data"]).decode() == issued.key_pem


def test_names_are_kubeadms_unless_others_are_given(authority: Authority) -> None:
    issued = authority.issue(leaves.admin())
    pems = (authority.cert_pem, issued.cert_pem, issued.key_pem)
    assert yaml.safe_load(kubeconfig("https://m1:6443", *pems))["current-context"] == "kubernetes-admin@kubernetes"
    named = yaml.safe_load(kubeconfig("https://m1:6443", *pems, "prod", "me", "work"))
    assert named["current-context"] == "work"
    assert named["contexts"] == [{"name": "work", "context": {"cluster": "prod", "user": "me"}}]


def test_the_same_input_gives_the_same_text(authority: Authority) -> None:
    issued = authority.issue(leaves.admin())
    pems = (authority.cert_pem, issued.cert_pem, issued.key_pem)
    assert kubeconfig("https://m1:6443", *pems) == kubeconfig("https://m1:6443", *pems)
