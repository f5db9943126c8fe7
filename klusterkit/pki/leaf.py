"""What a leaf certificate says: the request, before there is a key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from klusterkit.pki.errors import InvalidLeaf

Address = IPv4Address | IPv6Address

COMMON_NAME_LIMIT = 64
"""Characters (RFC 5280, appendix A.1, ub-common-name)."""
ONE_YEAR = 365

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DNS_NAME_LIMIT = 253


class Usage(StrEnum):
    """What a certificate may be used for in TLS (RFC 5280, section 4.2.1.12)."""

    SERVER = "server"
    CLIENT = "client"


def _common_name(text: str) -> str:
    if not 1 <= len(text) <= COMMON_NAME_LIMIT:
        raise InvalidLeaf(
            f"the common name {text!r} has {len(text)} characters; X.509 allows 1 to {COMMON_NAME_LIMIT}",
            hint="give the host a shorter node name",
        )
    return text


def _dns_name(text: str) -> str:
    name = text.lower()
    labels = name.removeprefix("*.").split(".")
    if len(name) > _DNS_NAME_LIMIT or not all(_DNS_LABEL.fullmatch(label) for label in labels):
        raise InvalidLeaf(
            f"{text!r} is neither a DNS name nor an IP address",
            hint="names are made of letters, digits and inner hyphens, joined by dots; at most 63 characters a part",
        )
    return name


def _dns_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_dns_name(name) for name in names))


def _usages(usages: tuple[Usage, ...]) -> tuple[Usage, ...]:
    if not usages:
        raise InvalidLeaf("a certificate needs at least one usage", hint="ask for server, client or both")
    # In one order, so that equal requests are equal data and give a plan that holds them the same digest.
    return tuple(sorted(set(usages)))


def _days(days: int) -> int:
    if days < 1:
        raise InvalidLeaf(f"a certificate can't be valid for {days} days", hint="ask for at least one day")
    return days


def _once(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(addresses))


class Leaf(BaseModel):
    """A certificate as it is wanted. Names are in lower case, and each name and address is there once.

    Raises:
        InvalidLeaf: a common name, DNS name, usage or lifetime that no certificate can have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    common_name: Annotated[str, AfterValidator(_common_name)]
    organizations: tuple[str, ...] = ()
    """What Kubernetes takes as the groups of a client."""
    dns_names: Annotated[tuple[str, ...], AfterValidator(_dns_names)] = ()
    ip_addresses: Annotated[tuple[Address, ...], AfterValidator(_once)] = ()
    usages: Annotated[tuple[Usage, ...], AfterValidator(_usages)]
    days: Annotated[int, AfterValidator(_days)] = ONE_YEAR

    def also_for(self, hosts: Iterable[str | Address]) -> Leaf:
        """The same for more hosts, each a DNS name or an IP address (IPv6 with or without brackets).

        Raises:
            InvalidLeaf: a text that is neither.
        """
        found = [_parsed(host) for host in hosts]
        return Leaf(
            common_name=self.common_name,
            organizations=self.organizations,
            dns_names=(*self.dns_names, *(name for name in found if isinstance(name, str))),
            ip_addresses=(*self.ip_addresses, *(item for item in found if not isinstance(item, str))),
            usages=self.usages,
            days=self.days,
        )


def _parsed(host: str | Address) -> str | Address:
    if not isinstance(host, str):
        return host
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return ip_address(bare)
    except ValueError:
        return host
