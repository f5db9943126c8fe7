"""The one address behind which all API servers are found, whichever of them hold it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from klusterkit.cluster.errors import InvalidCluster
from klusterkit.cluster.model import Model
from klusterkit.cluster.networks import Address, parse_address, usable_address

_WHERE = "virtual address"


def _address(value: Any) -> Any:
    return parse_address(value, _WHERE) if isinstance(value, str) else value


def _router_id(number: int) -> int:
    if not 1 <= number <= 255:
        raise InvalidCluster(
            f"{number} is not a router id",
            where=_WHERE,
            hint="give a number from 1 to 255 that no other group of routers on this network has",
        )
    return number


class Vip(Model):
    """A virtual address that one master at a time holds (VRRP, RFC 5798).

    Raises:
        InvalidCluster: an address that other hosts can't reach, or a router id that is none.
    """

    address: Annotated[
        Address, BeforeValidator(_address), AfterValidator(lambda address: usable_address(address, _WHERE))
    ]
    router_id: Annotated[int, AfterValidator(_router_id)]
    """Tells the groups of routers on one network apart."""
