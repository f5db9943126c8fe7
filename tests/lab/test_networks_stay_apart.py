"""Instances on one machine get networks and names that don't meet."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kklab.errors import LabError
from kklab.hosts import network

addresses = st.integers(0, 2**32 - 1)
networks = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False), addresses, st.integers(9, 32)
)
in_pool = st.builds(
    lambda offset, length: IPv4Network((int(network.POOL[0]) + offset, length), strict=False),
    st.integers(0, 2**16 - 1),
    st.integers(17, 32),
)
names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@given(st.lists(st.one_of(networks, in_pool), max_size=30))
def test_a_free_subnet_meets_none_that_is_taken(taken: list[IPv4Network]) -> None:
    assume(not any(other.supernet_of(network.POOL) for other in taken))
    try:
        found = network.free_subnet(taken)
    except LabError:
        everything = list(network.POOL.subnets(new_prefix=24))
        assert all(any(subnet.overlaps(other) for other in taken) for subnet in everything)
    else:
        assert found.subnet_of(network.POOL)
        assert not any(found.overlaps(other) for other in taken)


def test_a_full_pool_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(LabError, match=r"no free subnet.*\n.*down"):
        network.free_subnet([network.POOL])


@given(st.lists(st.tuples(names, names), min_size=2, unique=True))
def test_names_of_interfaces_fit_the_kernel_and_differ(hosts: list[tuple[str, str]]) -> None:
    for make in (network.cable_name, network.delay_line_name, network.namespace_name):
        made = {make(instance, host) for instance, host in hosts}
        assert len(made) == len(hosts)
        assert all(len(name) <= 15 for name in made)


def test_networks_in_use_hold_the_machines_own() -> None:
    assert IPv4Network("127.0.0.0/8") in set(network.subnets_in_use())
