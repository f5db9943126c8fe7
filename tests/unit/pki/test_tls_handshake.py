"""Servers and clients meet over real TLS with what is issued, and strangers are refused."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import ip_address
from pathlib import Path

import pytest

from klusterkit.pki import Authority, Issued, leaves

LOCAL = ip_address("127.0.0.1")
ETCD_SERVER = leaves.etcd_server("m1", ip_address("10.0.0.1"))


def context(folder: Path, protocol: int, trusted: Authority, issued: Issued | None) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(cadata=trusted.cert_pem)
    if issued:
        path = folder / f"{len(list(folder.iterdir()))}.pem"
        path.write_text(issued.cert_pem + issued.key_pem)
        made.load_cert_chain(path)
    return made


Subject = tuple[tuple[tuple[str, str], ...], ...]


@pytest.fixture
def meet(tmp_path: Path) -> Callable[..., Subject]:
    """Connect a client to a server that asks for a certificate; gives the client's subject as the server saw it."""

    def run(authority: Authority, server: Issued, client: Issued | None, host: str) -> Subject:
        serving = context(tmp_path, ssl.PROTOCOL_TLS_SERVER, authority, server)
        serving.verify_mode = ssl.CERT_REQUIRED
        calling = context(tmp_path, ssl.PROTOCOL_TLS_CLIENT, authority, client)
        seen: Future[Subject] = Future()

        def serve(end: socket.socket) -> None:
            try:
                with serving.wrap_socket(end, server_side=True) as secured:
                    seen.set_result(secured.getpeercert()["subject"])
                    secured.sendall(b"hello")
            except (ssl.SSLError, OSError) as error:
                seen.set_exception(error)
                end.close()

        here, there = socket.socketpair()
        here.settimeout(10)
        there.settimeout(10)
        thread = threading.Thread(target=serve, args=(there,), daemon=True)
        thread.start()
        try:
            with calling.wrap_socket(here, server_hostname=host) as secured:
                assert secured.recv(5) == b"hello"
        finally:
            here.close()
            thread.join(10)
        return seen.result(10)

    return run


Meet = Callable[[Authority, Issued, Issued | None, str], Subject]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "m1", "10.0.0.1"])
def test_etcd_answers_on_each_of_its_names(authority: Authority, meet: Meet, host: str) -> None:
    server, client = authority.issue(ETCD_SERVER), authority.issue(leaves.apiserver_etcd_client())
    assert meet(authority, server, client, host) == ((("commonName", "kube-apiserver-etcd-client"),),)


def test_two_etcd_members_meet_both_ways(authority: Authority, meet: Meet) -> None:
    one = authority.issue(leaves.etcd_peer("m1", ip_address("10.0.0.1")))
    other = authority.issue(leaves.etcd_peer("m2", ip_address("10.0.0.2")))
    assert meet(authority, one, other, "m1") == ((("commonName", "m2"),),)
    assert meet(authority, other, one, "10.0.0.2") == ((("commonName", "m1"),),)


def test_the_api_server_learns_user_and_group_of_a_client(authority: Authority, meet: Meet) -> None:
    server = authority.issue(leaves.apiserver("m1", LOCAL, ip_address("192.169.0.1"), "cluster.local"))
    subject = meet(authority, server, authority.issue(leaves.kubelet("m1")), "kubernetes.default.svc")
    assert subject == ((("organizationName", "system:nodes"),), (("commonName", "system:node:m1"),))


def test_a_name_that_is_not_in_the_certificate_is_refused(authority: Authority, meet: Meet) -> None:
    server, client = authority.issue(ETCD_SERVER), authority.issue(leaves.apiserver_etcd_client())
    with pytest.raises(ssl.SSLCertVerificationError, match=r"10\.0\.0\.2"):
        meet(authority, server, client, "10.0.0.2")


def test_a_client_of_another_authority_is_refused(authority: Authority, meet: Meet) -> None:
    server, stranger = authority.issue(ETCD_SERVER), Authority.create("kubernetes").issue(leaves.admin())
    with pytest.raises((ssl.SSLError, ConnectionError)):
        meet(authority, server, stranger, "m1")


def test_a_client_without_certificate_is_refused(authority: Authority, meet: Meet) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        meet(authority, authority.issue(ETCD_SERVER), None, "m1")


def test_a_client_certificate_is_no_servers(authority: Authority, meet: Meet) -> None:
    client = authority.issue(leaves.apiserver_etcd_client().also_for(["m1"]))
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        meet(authority, client, client, "m1")


def test_a_server_certificate_is_no_clients(authority: Authority, meet: Meet) -> None:
    server = authority.issue(leaves.apiserver("m1", LOCAL, ip_address("192.169.0.1"), "cluster.local"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        meet(authority, server, server, "m1")
