"""OpenSSL, which is not ours, agrees with what is issued."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from klusterkit.pki import Authority, Issued, Leaf, create_service_account_key, leaves

ADDRESS = ip_address("10.0.0.1")
SERVICE = ip_address("192.169.0.1")

OpenSSL = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSSL:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def write(folder: Path, authority: Authority, issued: Issued) -> None:
    (folder / "ca.crt").write_text(authority.cert_pem)
    (folder / "leaf.crt").write_text(issued.cert_pem)
    (folder / "leaf.key").write_text(issued.key_pem)


def purposes(leaf: Leaf) -> dict[str, bool]:
    return {"sslserver": "server" in leaf.usages, "sslclient": "client" in leaf.usages}


@pytest.mark.parametrize(
    "leaf",
    [
        leaves.apiserver("m1", ADDRESS, SERVICE, "cluster.local", "fd00::9", ["api.example.com"]),
        leaves.apiserver_kubelet_client(),
        leaves.front_proxy_client(),
        leaves.etcd_server("m1", ADDRESS),
        leaves.etcd_peer("m1", ADDRESS),
        leaves.etcd_healthcheck_client(),
        leaves.apiserver_etcd_client(),
        leaves.admin(),
        leaves.super_admin(),
        leaves.controller_manager(),
        leaves.scheduler(),
        leaves.kubelet("m1"),
    ],
    ids=lambda leaf: leaf.common_name,
)
def test_each_certificate_verifies_for_its_usages_and_no_other(
    leaf: Leaf, authority: Authority, tmp_path: Path, openssl: OpenSSL
) -> None:
    write(tmp_path, authority, authority.issue(leaf))
    for purpose, allowed in purposes(leaf).items():
        ended = openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.crt", "leaf.crt")
        assert (ended.returncode == 0) is allowed, ended.stdout + ended.stderr


def test_names_and_addresses_verify(authority: Authority, tmp_path: Path, openssl: OpenSSL) -> None:
    leaf = leaves.apiserver("m1", ADDRESS, SERVICE, "cluster.local", "fd00::9")
    write(tmp_path, authority, authority.issue(leaf))
    for option, value, right in (
        ("-verify_hostname", "kubernetes.default.svc.cluster.local", True),
        ("-verify_hostname", "kubernetes.example", False),
        ("-verify_ip", "192.169.0.1", True),
        ("-verify_ip", "fd00::9", True),
        ("-verify_ip", "10.0.0.2", False),
    ):
        ended = openssl("verify", "-x509_strict", option, value, "-CAfile", "ca.crt", "leaf.crt")
        assert (ended.returncode == 0) is right, (value, ended.stderr)


def test_the_wrong_authority_does_not_verify(authority: Authority, tmp_path: Path, openssl: OpenSSL) -> None:
    write(tmp_path, Authority.create("kubernetes"), authority.issue(leaves.admin()))
    assert openssl("verify", "-CAfile", "ca.crt", "leaf.crt").returncode != 0


def test_keys_are_sound(authority: Authority, tmp_path: Path, openssl: OpenSSL) -> None:
    write(tmp_path, authority, authority.issue(leaves.admin()))
    private, public = create_service_account_key()
    (tmp_path / "sa.key").write_text(private)
    assert openssl("pkey", "-in", "leaf.key", "-check", "-noout").returncode == 0
    assert openssl("pkey", "-in", "sa.key", "-check", "-noout").returncode == 0
    assert openssl("pkey", "-in", "sa.key", "-pubout").stdout == public


def test_the_service_account_key_is_rsa_2048_as_kubeadms(tmp_path: Path, openssl: OpenSSL) -> None:
    private, public = create_service_account_key()
    assert private.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert public.startswith("-----BEGIN PUBLIC KEY-----\n")
    (tmp_path / "sa.key").write_text(private)
    assert "2048 bit" in openssl("pkey", "-in", "sa.key", "-text", "-noout").stdout
