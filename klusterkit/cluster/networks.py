"""Addresses and networks, read and written as an operator does, and the rules for a cluster's networks."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from klusterkit.cluster.errors import InvalidCluster

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

POD_NETWORK = "pod network"
SERVICE_NETWORK = "service network"

NODE_PREFIX = {4: 24, 6: 64}
"""Prefix length of the part of the pod network that each node gets (defaults of kube-controller-manager)."""
NODE_BITS_LIMIT = 16
"""A pod network has at most 2 to this many such parts (kubeadm, PodSubnetNodeMaskMaxDiff)."""
SERVICE_BITS = (4, 20)
"""Fewest and most bits for hosts in a service network: the DNS address is its tenth, and kube-apiserver takes no
network of more than 2 to the 20th addresses."""
KEPT_RANGES: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8")
)
"""Unspecified, loopback, link-local, multicast and reserved addresses (RFC 6890, RFC 4291): no host has one."""


def parse_address(text: str, where: str = "address") -> Address:
    """An IP address, IPv6 with or without brackets.

    Raises:
        InvalidCluster: it is none, or none that a host can have.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ip_address(bare)
    except ValueError:
        raise InvalidCluster(
            f"{text!r} is not an IP address", where=where, hint="give an address such as 10.0.0.5 or fd00::5"
        ) from None
    return usable_address(address, where)


def is_address(text: str) -> bool:
    """Whether a text is an IP address, be it one that hosts can have or not."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def usable_address(address: Address, where: str) -> Address:
    """The address, if other hosts can reach a host by it.

    Raises:
        InvalidCluster: of ``KEPT_RANGES``, of one interface only, or IPv4 in the clothes of IPv6.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        raise InvalidCluster(f"{address} is an IPv4 address", where=where, hint=f"write {address.ipv4_mapped}")
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise InvalidCluster(
            f"{address} means something on one host only", where=where, hint="give the address without %..."
        )
    if any(address in kept for kept in KEPT_RANGES):
        raise InvalidCluster(
            f"{address} can't be reached from other hosts",
            where=where,
            hint="give the address that the host has on the cluster's network",
        )
    return address


def parse_network(text: str, where: str = "network") -> Network:
    """A network in CIDR notation, such as ``10.2.0.0/16``.

    Raises:
        InvalidCluster: it isn't one, or the address in it is that of a host.
    """
    address, slash, prefix = text.partition("/")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or not slash or not prefix.isdigit():
        raise InvalidCluster(
            f"{text!r} is not a network", where=where, hint="write it as ADDRESS/PREFIX, such as 10.2.0.0/16"
        )
    if ip_address(address) != network.network_address:
        raise InvalidCluster(
            f"{text} has host bits set: it is an address in the network {network}",
            where=where,
            hint=f"did you mean {network}?",
        )
    return network


def host_and_port(host: str | Address, port: int) -> str:
    """``host:port``, with an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def service_ip(network: Network, index: int) -> Address:
    """The address at a place of the service network, counted as kubeadm does: the network's own is number 0.

    Raises:
        InvalidCluster: the network has no such place.
    """
    if not 0 < index < network.num_addresses:
        raise InvalidCluster(
            f"{network} has no address number {index}", where=SERVICE_NETWORK, hint="choose a larger service network"
        )
    return network[index]


def kubernetes_service_ip(network: Network) -> Address:
    """The address of the Service ``kubernetes``: the first."""
    return service_ip(network, 1)


def dns_service_ip(network: Network) -> Address:
    """The address of the cluster's DNS: the tenth."""
    return service_ip(network, 10)


def node_capacity(pod_network: Network) -> int:
    """How many nodes a pod network has room for."""
    return 1 << max(0, NODE_PREFIX[pod_network.version] - pod_network.prefixlen)


def check_pod_network(network: Network) -> None:
    """Refuse a pod network that no cluster can have.

    Raises:
        InvalidCluster: too small for one node, too large for kube-controller-manager, or of a special range.
    """
    each = NODE_PREFIX[network.version]
    if network.prefixlen > each:
        raise InvalidCluster(
            f"{network} is too small: each node gets a /{each} of it",
            where=POD_NETWORK,
            hint=f"choose a network of /{each} or larger; a /{each - 8} has room for 256 nodes",
        )
    if each - network.prefixlen > NODE_BITS_LIMIT:
        raise InvalidCluster(
            f"{network} is too large: it has more than {1 << NODE_BITS_LIMIT} parts of /{each}",
            where=POD_NETWORK,
            hint=f"choose a network of /{each - NODE_BITS_LIMIT} or smaller",
        )
    _check_range(network, POD_NETWORK)


def check_service_network(network: Network) -> None:
    """Refuse a service network that no cluster can have.

    Raises:
        InvalidCluster: without room for the DNS address, too large for kube-apiserver, or of a special range.
    """
    bits = network.max_prefixlen - network.prefixlen
    fewest, most = SERVICE_BITS
    if bits < fewest:
        raise InvalidCluster(
            f"{network} is too small: it has {network.num_addresses} addresses, and the tenth is that of the DNS",
            where=SERVICE_NETWORK,
            hint=f"choose a network of /{network.max_prefixlen - fewest} or larger",
        )
    if bits > most:
        raise InvalidCluster(
            f"{network} is too large: kube-apiserver takes up to {1 << most} addresses",
            where=SERVICE_NETWORK,
            hint=f"choose a network of /{network.max_prefixlen - most} or smaller",
        )
    _check_range(network, SERVICE_NETWORK)


def check_apart(pods: Network, services: Network) -> None:
    """Refuse two networks that can't be those of one cluster.

    Raises:
        InvalidCluster: of different IP versions, or overlapping.
    """
    where = f"{POD_NETWORK} and {SERVICE_NETWORK}"
    if pods.version != services.version:
        raise InvalidCluster(
            f"{pods} is IPv{pods.version} and {services} is IPv{services.version}",
            where=where,
            hint="choose both of one IP version",
        )
    if pods.overlaps(services):
        raise InvalidCluster(
            f"{pods} and {services} overlap", where=where, hint="choose networks that share no address"
        )


def _check_range(network: Network, where: str) -> None:
    # A network that only contains such a range is as bad as one that lies in it: 169.254.0.0/15 is not link-local.
    if any(kept.version == network.version and kept.overlaps(network) for kept in KEPT_RANGES):
        raise InvalidCluster(
            f"{network} has addresses that are kept for another use",
            where=where,
            hint="choose a private network, such as 10.2.0.0/16, 172.20.0.0/16, or fd00:2::/56",
        )
