"""Where the API of a cluster is reached."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any

from pydantic import AfterValidator

from klusterkit.cluster.errors import InvalidCluster
from klusterkit.cluster.model import Model
from klusterkit.cluster.names import subdomain
from klusterkit.cluster.networks import Address, host_and_port, usable_address

API_PORT = 6443

_WHERE = "control plane endpoint"


def _host(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(usable_address(ip_address(bare), _WHERE))
    except ValueError:
        return subdomain(bare.lower(), _WHERE)


def not_truth(port: Any) -> Any:
    """A port as it is given, but ``true``, which pydantic takes for 1, as a text, which it refuses."""
    return str(port) if isinstance(port, bool) else port


def check_port(port: int, where: str) -> int:
    """The port, if it is one.

    Raises:
        InvalidCluster: it isn't.
    """
    if not 1 <= port <= 65535:
        raise InvalidCluster(f"{port} is not a TCP port", where=where, hint="give a number from 1 to 65535")
    return port


class Endpoint(Model):
    """Host and port of the control plane. The host is a DNS name or an IP address, IPv6 without brackets."""

    host: Annotated[str, AfterValidator(_host)]
    port: Annotated[int, AfterValidator(lambda port: check_port(port, _WHERE))] = API_PORT

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """From ``host``, ``host:port``, ``[v6]``, ``[v6]:port`` or a bare IPv6 address.

        Raises:
            InvalidCluster: the text is none of these.
        """
        host, colon, port = text.rpartition(":")
        try:
            IPv6Address(text)
        except ValueError:
            if colon and not text.endswith("]"):
                if not port.isdecimal():
                    raise InvalidCluster(
                        f"{text!r} is not a host and port", where=_WHERE, hint="write HOST:PORT, or [IPV6]:PORT"
                    ) from None
                return cls(host=host, port=int(port))
        return cls(host=text)

    @property
    def address(self) -> Address | None:
        """The host, where it is an address."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def url(self) -> str:
        """As clients are given it: ``https://10.0.0.5:6443``."""
        return f"https://{self}"

    def __str__(self) -> str:
        return host_and_port(self.host, self.port)
