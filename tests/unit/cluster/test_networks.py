"""Addresses and networks are read as an operator writes them, and only those that a cluster can have are taken."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.cluster import (
    Cluster,
    Endpoint,
    InvalidCluster,
    Network,
    dns_service_ip,
    host_and_port,
    kubernetes_service_ip,
    parse_address,
    parse_network,
    service_ip,
)
from klusterkit.cluster.networks import check_apart, check_pod_network, check_service_network, node_capacity

PREFIXES = {4: st.integers(0, 32), 6: st.integers(0, 128)}


@st.composite
def networks(draw: st.DrawFn) -> Network:
    version = draw(st.sampled_from([4, 6]))
    return ip_network((draw(st.ip_addresses(v=version)), draw(PREFIXES[version])), strict=False)


@given(networks())
def test_a_network_survives_being_written_and_read(network: Network) -> None:
    assert parse_network(str(network)) == network


@given(networks(), st.data())
def test_host_bits_are_refused_with_the_network_that_was_meant(network: Network, data: st.DataObject) -> None:
    bits = network.max_prefixlen - network.prefixlen
    if bits == 0:
        return
    host = network[data.draw(st.integers(1, 2**bits - 1))]
    text = f"{host}/{network.prefixlen}"
    with pytest.raises(InvalidCluster, match="has host bits set") as caught:
        parse_network(text, "pod network")
    assert caught.value.message.startswith(text)
    assert caught.value.hint == f"did you mean {network}?"
    assert caught.value.where == "pod network"


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "ten/8", "10.0.0.0/255.0.0.0", "/8"]
)
def test_text_that_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(InvalidCluster, match="is not a network") as caught:
        parse_network(text)
    assert "ADDRESS/PREFIX" in str(caught.value.hint)


@given(networks(), networks())
def test_two_networks_are_apart_when_they_share_no_address(one: Network, other: Network) -> None:
    shared = one.version == other.version and (one[0] in other or other[0] in one)
    if one.version == other.version and not shared:
        check_apart(one, other)
        return
    with pytest.raises(InvalidCluster) as caught:
        check_apart(one, other)
    assert caught.value.where == "pod network and service network"
    assert str(one) in caught.value.message
    assert str(other) in caught.value.message


@st.composite
def private_networks(draw: st.DrawFn) -> Network:
    """Of the ranges that are nobody's on the internet (RFC 1918, RFC 4193)."""
    whole, most = draw(st.sampled_from([("10.0.0.0/8", 32), ("fd00::/8", 128)]))
    return ip_network((draw(st.ip_addresses(network=whole)), draw(st.integers(8, most))), strict=False)


def taken(check: Callable[[Network], None], network: Network) -> bool:
    try:
        check(network)
    except InvalidCluster:
        return False
    return True


@given(private_networks())
def test_a_pod_network_has_room_for_1_to_65536_nodes(network: Network) -> None:
    each = {4: 24, 6: 64}[network.version]
    assert taken(check_pod_network, network) == (0 <= each - network.prefixlen <= 16)
    if taken(check_pod_network, network):
        assert node_capacity(network) == 2 ** (each - network.prefixlen)
        assert next(network.subnets(new_prefix=each)).subnet_of(network)


@given(private_networks())
def test_a_service_network_has_room_for_kubernetes_and_dns(network: Network) -> None:
    assert taken(check_service_network, network) == (16 <= network.num_addresses <= 2**20)
    if taken(check_service_network, network):
        assert kubernetes_service_ip(network) == network.network_address + 1
        assert dns_service_ip(network) == network.network_address + 10
        assert dns_service_ip(network) in network


@given(networks())
def test_a_network_of_a_special_range_is_never_taken(network: Network) -> None:
    if taken(check_pod_network, network) or taken(check_service_network, network):
        kinds = ("is_loopback", "is_multicast", "is_link_local", "is_unspecified")
        assert not any(getattr(network.network_address, kind) for kind in kinds)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("10.0.0.0/25", "too small"),
        ("fd00::/65", "too small"),
        ("10.0.0.0/7", "host bits|too large"),
        ("fd00::/47", "too large"),
        ("127.0.0.0/16", "another use"),
        ("224.0.0.0/16", "another use"),
        ("169.254.0.0/16", "another use"),
        ("169.254.0.0/15", "another use"),
        ("240.0.0.0/16", "another use"),
        ("0.0.0.0/16", "another use"),
        ("fe80::/56", "another use"),
    ],
)
def test_a_pod_network_that_no_cluster_can_have_is_refused(text: str, what: str) -> None:
    with pytest.raises(InvalidCluster, match=what):
        check_pod_network(parse_network(text))


@pytest.mark.parametrize(
    ("text", "what"),
    [("10.1.0.0/30", "the tenth is that of the DNS"), ("10.0.0.0/11", "too large"), ("fd00::/107", "too large")],
)
def test_a_service_network_that_no_cluster_can_have_is_refused(text: str, what: str) -> None:
    with pytest.raises(InvalidCluster, match=what):
        check_service_network(parse_network(text))


@pytest.mark.parametrize("text", ["10.0.0.0/28", "10.0.0.0/12", "fd00::/108", "fd00::/124"])
def test_the_smallest_and_largest_service_networks_are_taken(text: str) -> None:
    check_service_network(parse_network(text))


@given(networks(), st.integers(-5, 300))
def test_a_service_address_is_in_its_network_or_refused(network: Network, index: int) -> None:
    if 0 < index < network.num_addresses:
        assert service_ip(network, index) in network
    else:
        with pytest.raises(InvalidCluster, match="has no address number"):
            service_ip(network, index)


@given(st.one_of(st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="fd00::/8")))
def test_an_address_survives_being_written_and_read(address: IPv4Address | IPv6Address) -> None:
    assert parse_address(str(address)) == address
    assert parse_address(f"[{address}]") == address


UNREACHABLE = [
    *("127.0.0.1", "0.0.0.0", "0.0.0.9", "224.0.0.1", "240.0.0.1", "255.255.255.255", "169.254.1.1"),  # noqa: S104 - read, not bound to
    *("::1", "::", "ff02::1", "fe80::1", "fd00::1%eth0"),
]


@pytest.mark.parametrize("text", ["", "m1", "10.0.0", "10.0.0.0/8", *UNREACHABLE])
def test_an_address_that_a_host_cannot_be_reached_by_is_refused(text: str) -> None:
    with pytest.raises(InvalidCluster) as caught:
        parse_address(text, "machine address")
    assert caught.value.where == "machine address"
    assert caught.value.hint


def test_an_ipv4_address_in_the_clothes_of_ipv6_is_refused() -> None:
    with pytest.raises(InvalidCluster, match="is an IPv4 address") as caught:
        parse_address("::ffff:10.0.0.5")
    assert caught.value.hint == "write 10.0.0.5"


def test_ipv6_is_written_in_brackets_before_a_port() -> None:
    assert host_and_port("10.0.0.5", 6443) == "10.0.0.5:6443"
    assert host_and_port(ip_address("fd00::5"), 6443) == "[fd00::5]:6443"
    assert host_and_port("api.example", 443) == "api.example:443"


HOSTS = st.one_of(
    st.ip_addresses(network="10.0.0.0/8").map(str),
    st.ip_addresses(network="fd00::/8").map(str),
    st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,5}){0,2}", fullmatch=True),
)


@given(HOSTS, st.integers(1, 65535))
def test_an_endpoint_survives_being_written_and_read(host: str, port: int) -> None:
    endpoint = Endpoint(host=host, port=port)
    assert Endpoint.parse(str(endpoint)) == endpoint
    assert endpoint.url == f"https://{endpoint}"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("fd00::5", "fd00::5", 6443),
        ("[fd00::5]", "fd00::5", 6443),
        ("[fd00::5]:443", "fd00::5", 443),
        ("10.0.0.5", "10.0.0.5", 6443),
        ("API.example:8443", "api.example", 8443),
    ],
)
def test_an_endpoint_is_read_with_and_without_port(text: str, host: str, port: int) -> None:
    assert Endpoint.parse(text) == Endpoint(host=host, port=port)


@pytest.mark.parametrize(
    "text", ["", ":6443", "m1:", "m1:x", "m1:0", "m1:65536", "-m:1", "[fd00::5", "127.0.0.1:1", "a b"]
)
def test_text_that_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidCluster):
        Endpoint.parse(text)


def test_a_host_whose_address_the_cluster_takes_away_is_refused() -> None:
    cluster = Cluster.of(pod_network="10.2.0.0/16", service_network="10.1.0.0/16")
    cluster.check_address(parse_address("10.0.0.5"))
    with pytest.raises(InvalidCluster, match=r"pod network 10\.2\.0\.0/16 holds the host's address") as caught:
        cluster.check_address(parse_address("10.2.3.4"))
    assert caught.value.where == "host 10.2.3.4"
    with pytest.raises(InvalidCluster, match=r"service network 10\.1\.0\.0/16 holds the host's address"):
        cluster.check_address(parse_address("10.1.0.1"))
    with pytest.raises(InvalidCluster, match="has an IPv6 address, the cluster's networks are IPv4"):
        cluster.check_address(parse_address("fd00::5"))
