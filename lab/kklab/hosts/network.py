"""The network of one instance: a bridge with a subnet of its own, a namespace and a veth pair for each host.

The namespace belongs to the lab and not to systemd-nspawn, so that interface names never meet and the machine's
end of a host's cable is known.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from kklab import command
from kklab.errors import LabError

Subnet = ipaddress.IPv4Network

POOL = Subnet("10.201.0.0/16")
"""Where instances get their /24 from; apart from the usual pod and service networks."""
FIRST_HOST = 11
INSIDE = "eth0"


def short(text: str) -> str:
    """A part of an interface's name that only this text gives; those names are at most 15 characters long."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def bridge_name(instance: str) -> str:
    """The bridge of an instance."""
    return f"kkl{short(instance)}"


def cable_name(instance: str, host: str) -> str:
    """The machine's end of a host's cable."""
    return f"kkv{short(f'{instance}/{host}')}"


def delay_line_name(instance: str, host: str) -> str:
    """The bridge's end of a host's delay line."""
    return f"kkd{short(f'{instance}/{host}')}"


def mac_address(instance: str, host: str) -> str:
    """The hardware address of a host's interface, the same after every power-on as that of a real one."""
    digits = short(f"{instance}/{host}")
    return "02:4b:" + ":".join(digits[at : at + 2] for at in range(0, 8, 2))


def namespace_name(instance: str, host: str) -> str:
    """The network namespace of a host."""
    return f"kkl-{short(f'{instance}/{host}')}"


def free_subnet(taken: Iterable[Subnet]) -> Subnet:
    """The first subnet of the pool that meets none of the taken ones.

    Raises:
        LabError: there is none left.
    """
    used = list(taken)
    for subnet in POOL.subnets(new_prefix=24):
        if not any(subnet.overlaps(other) for other in used):
            return subnet
    raise LabError(f"no free subnet in {POOL}", "end instances that aren't needed: `lab/lab down --all`")


def subnets_in_use() -> Iterator[Subnet]:
    """Every network that the machine has an address in or a route to, apart from the default route."""
    for item in _ip_json("route", "show", "table", "all"):
        with contextlib.suppress(ValueError):
            network = Subnet(str(item["dst"]), strict=False)
            if network.prefixlen > 0:
                yield network


def create_bridge(instance: str, subnet: Subnet) -> None:
    """Make the bridge of an instance, with the first address of the subnet; nothing is forwarded off it."""
    bridge = bridge_name(instance)
    if not _exists(bridge):
        # Set, because a bridge without takes one of its ports', and hosts would lose it whenever that one goes.
        _ip("link", "add", bridge, "address", mac_address(instance, ""), "type", "bridge")
        _ip("address", "add", f"{subnet[1]}/{subnet.prefixlen}", "dev", bridge)
    _ip("link", "set", bridge, "up")
    command.run(["nft", "-f", "-"], stdin=_fence(bridge))


def delete_bridge(instance: str) -> None:
    """Take the bridge of an instance away."""
    bridge = bridge_name(instance)
    command.run(["nft", "delete", "table", "inet", bridge], check=False)
    if _exists(bridge):
        _ip("link", "delete", bridge)


def create_cable(instance: str, host: str) -> None:
    """Make a host's namespace, and a cable from the bridge to its interface `eth0`."""
    delete_cable(instance, host)
    space, cable = namespace_name(instance, host), cable_name(instance, host)
    _ip("netns", "add", space)
    address = mac_address(instance, host)
    _ip("link", "add", cable, "type", "veth", "peer", "name", INSIDE, "address", address, "netns", space)
    _ip("link", "set", cable, "master", bridge_name(instance), "up")


def delete_cable(instance: str, host: str) -> None:
    """Take a host's cable and namespace away, with all that was set in it."""
    if _exists(cable_name(instance, host)):
        _ip("link", "delete", cable_name(instance, host))
    command.run(["ip", "netns", "delete", namespace_name(instance, host)], check=False)


def create_delay_line(instance: str, host: str) -> None:
    """Put a TAP interface between the bridge and a host's cable; `delay_line` carries what passes."""
    cable, line = cable_name(instance, host), delay_line_name(instance, host)
    _ip("link", "set", cable, "nomaster", "addrgenmode", "none")
    _ip("tuntap", "add", "dev", line, "mode", "tap", "vnet_hdr")
    _ip("link", "set", line, "master", bridge_name(instance), "up")


def delete_delay_line(instance: str, host: str) -> None:
    """Connect a host's cable to the bridge itself again, if it isn't."""
    cable, line = cable_name(instance, host), delay_line_name(instance, host)
    if _exists(line):
        _ip("link", "delete", line)
        if _exists(cable):
            _ip("link", "set", cable, "master", bridge_name(instance))


def has_carrier(link: str) -> bool:
    """Whether something is at the other end of an interface."""
    try:
        return Path(f"/sys/class/net/{link}/carrier").read_text().strip() == "1"
    except OSError:
        return False


def _fence(bridge: str) -> str:
    """Rules that keep hosts on their bridge, even where the machine forwards packets for others."""
    return f"""
        table inet {bridge} {{}}
        delete table inet {bridge}
        table inet {bridge} {{
            chain forward {{
                type filter hook forward priority -10; policy accept;
                iifname "{bridge}" oifname != "{bridge}" drop
                oifname "{bridge}" iifname != "{bridge}" drop
            }}
        }}
    """


def _exists(link: str) -> bool:
    return command.succeeds(["ip", "link", "show", link])


def _ip(*words: str) -> None:
    command.run(["ip", *words])


def _ip_json(*words: str) -> list[dict[str, object]]:
    return cast(list[dict[str, object]], json.loads(command.run(["ip", "-j", "-4", *words]) or "[]"))
