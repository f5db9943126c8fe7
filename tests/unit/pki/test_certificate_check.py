"""Checking finds each thing that can be wrong with a certificate, and nothing where nothing is."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.pki import Authority, Leaf, Usage, check

WANTED = Leaf(
    common_name="m1",
    organizations=("a", "b"),
    dns_names=("m1", "localhost"),
    ip_addresses=(ip_address("10.0.0.1"), ip_address("fd00::1")),
    usages=(Usage.SERVER, Usage.CLIENT),
)


def reasons(authority: Authority, now: datetime, there: Leaf, at: timedelta = timedelta(0)) -> list[str]:
    issued = authority.issue(there, now)
    return check(issued.cert_pem, issued.key_pem, authority.cert_pem, WANTED, now + at)


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ({"common_name": "m2"}, "its subject is"),
        ({"organizations": ("a",)}, "its subject is"),
        ({"dns_names": ("m1",)}, "it is not valid for localhost"),
        ({"ip_addresses": (ip_address("10.0.0.1"),)}, "it is not valid for fd00::1"),
        ({"dns_names": (), "ip_addresses": ()}, "it is not valid for 10.0.0.1, fd00::1, localhost, m1"),
        ({"dns_names": ("m1", "localhost", "old")}, "it is also valid for old, which is not wanted"),
        ({"usages": (Usage.SERVER,)}, "it may be used as server, wanted client, server"),
    ],
)
def test_one_difference_gives_one_reason(
    authority: Authority, now: datetime, there: dict[str, object], reason: str
) -> None:
    found = reasons(authority, now, Leaf(**dict(WANTED) | there))
    assert len(found) == 1
    assert found[0].startswith(reason)


def test_the_order_of_names_and_organizations_means_nothing(authority: Authority, now: datetime) -> None:
    there = Leaf(
        **dict(WANTED)
        | {
            "organizations": ("b", "a"),
            "dns_names": ("LOCALHOST", "m1"),
            "ip_addresses": WANTED.ip_addresses[::-1],
            "usages": WANTED.usages[::-1],
        }
    )
    assert reasons(authority, now, there) == []


def test_another_authority_of_the_same_name_is_told_by_its_signature(authority: Authority, now: datetime) -> None:
    issued = Authority.create(authority.name).issue(WANTED, now)
    found = check(issued.cert_pem, issued.key_pem, authority.cert_pem, WANTED, now)
    assert found == ["it is not signed with the key of CN=kubernetes"]


def test_another_authority_is_told_by_its_name(authority: Authority, now: datetime) -> None:
    issued = Authority.create("etcd-ca").issue(WANTED, now)
    found = check(issued.cert_pem, issued.key_pem, authority.cert_pem, WANTED, now)
    assert found == ["it was issued by CN=etcd-ca, not by CN=kubernetes"]


def test_a_key_that_does_not_belong_is_found(authority: Authority, now: datetime) -> None:
    issued, other = authority.issue(WANTED, now), authority.issue(WANTED, now)
    assert check(issued.cert_pem, other.key_pem, authority.cert_pem, WANTED, now) == [
        "the private key does not belong to it"
    ]
    assert check(issued.cert_pem, "", authority.cert_pem, WANTED, now) == ["its private key can't be read"]
    assert check(issued.cert_pem, None, authority.cert_pem, WANTED, now) == []


def test_an_authority_is_no_leaf(authority: Authority, now: datetime) -> None:
    assert "it is the certificate of an authority" in check(
        authority.cert_pem, authority.key_pem, authority.cert_pem, WANTED, now
    )


@given(st.text(max_size=100))
def test_text_that_is_no_certificate_is_a_reason(authority: Authority, now: datetime, text: str) -> None:
    assert check(text, None, authority.cert_pem, WANTED, now) == ["it is not a certificate in PEM form"]


LIFE = timedelta(days=365, minutes=10)
"""From ten minutes before the certificate was issued."""


@given(st.floats(0, 1), st.integers(-86_400, 400 * 86_400).map(lambda seconds: timedelta(seconds=seconds)))
def test_the_period_is_judged_by_the_clock_alone(
    authority: Authority, now: datetime, renew_after: float, age: timedelta
) -> None:
    """Age is counted from the beginning of the certificate's life."""
    issued = authority.issue(WANTED, now)
    at = now - timedelta(minutes=10) + age
    found = check(issued.cert_pem, issued.key_pem, authority.cert_pem, WANTED, at, renew_after)
    if age < timedelta(0):
        assert [reason.split(" from ")[0] for reason in found] == ["it is valid only"]
    elif age > LIFE:
        assert [reason.split(" on ")[0] for reason in found] == ["it expired"]
    elif age > LIFE * renew_after:
        assert [reason.split(":")[0] for reason in found] == ["it is due for renewal"]
    else:
        assert found == []


def test_renewal_is_due_after_two_thirds_of_the_life(authority: Authority, now: datetime) -> None:
    assert reasons(authority, now, WANTED, timedelta(days=243)) == []
    (reason,) = reasons(authority, now, WANTED, timedelta(days=244))
    assert reason == f"it is due for renewal: it expires on {now + timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}"


def test_an_expired_authority_is_a_reason(now: datetime) -> None:
    short = Authority.create("short", years=1, now=now)
    found = reasons(short, now, WANTED, timedelta(days=366))
    assert any(reason.startswith("its authority CN=short expired") for reason in found)


def test_no_reason_names_the_key(authority: Authority, now: datetime) -> None:
    issued, other = authority.issue(WANTED, now), authority.issue(WANTED, now)
    said = " ".join(check(issued.cert_pem, other.key_pem, authority.cert_pem, WANTED, now))
    assert not any(line in said for line in other.key_pem.splitlines())
