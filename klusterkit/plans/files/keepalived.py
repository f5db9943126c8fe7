"""keepalived's configuration (keepalived.conf(5)), and its check of the API server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from klusterkit.cluster import Vip, host_and_port

CONTAINERS = "/etc/systemd/system/cri-containerd-.scope.d"
"""Drop-ins of the scopes of all containers, where systemd has their control groups (systemd.unit(5), "prefix").

At a shut-down systemd ends the scopes at once, the API server's too. With this, one was told to end when the stop of
keepalived was over, 3.0 s after that had begun; without, 0.04 s before (systemd 252, a stop that takes 3 s).
"""
CONTAINERS_ORDER = """\
# The API server of a host that shuts down answers until another host has the virtual address: see keepalived.service.
[Unit]
Before=keepalived.service
"""

FOLDER = "/etc/keepalived"
PATH = f"{FOLDER}/keepalived.conf"
CHECK_PATH = f"{FOLDER}/check-api"
HAND_OVER_PATH = f"{FOLDER}/hand-over"

ADVERTISEMENT = 0.25
"""Seconds between two signs of life. The others take the address over after three and a half of them; with
keepalived's default of one second writers would wait for 3.5 s, which is more than etcd's election takes."""

_HIGHEST, _APART = 254, 36
"""Priorities of up to seven masters. The higher one's is, the sooner it takes the address over (RFC 9568, 6.1: the skew
time), each 35 ms before the next, which then hears of it."""

CHECK = """\
#!/bin/sh
# check-api OWN [PEER…], each HOST:PORT of an API server: whether this host should hold the virtual address.
ready() { # HOST:PORT SECONDS
    curl --silent --fail --insecure --max-time "$2" --output /dev/null "https://$1/readyz"
}
own=$1
shift
ready "$own" 3
case $? in
0) exit 0 ;;
7) exit 1 ;; # nobody listens
esac
# It is there and not ready, or too busy to say so: its etcd is down, or all of etcd elects a leader or has lost its
# quorum, or all hosts are busy. The address moves only to a host that is clearly better, since a move cuts every
# connection: where none is, clients are told what is wrong, or wait.
for peer in "$@"; do
    ready "$peer" 1 && exit 1
done
exit 0
"""


HAND_OVER_SECONDS = 1.5
"""Another has the address after one at most: three signs of life and the skew time of the lowest of seven masters. The
rest is for answers that are on their way. Until then both answer who asks for it (ARP): the new one tells all others a
second time when the old one has given it up (``garp_master_delay``)."""

HAND_OVER = """\
#!/bin/sh
# hand-over PID ADDRESS INTERFACE SECONDS: let another master take the virtual address before this one gives it up.
# keepalived itself gives it up first. Answers that are on their way then can't leave this host any more, and a request
# that comes before another has the address is lost: clients wait until they lose patience, or a second for TCP's next
# attempt. So its process that speaks to the others falls silent, and the address stays until it isn't asked any more.
# Let go on, the process would take the address back: it has to be killed.
[ -n "$1" ] || exit 0 # nothing of it is left
[ -n "$(ip -oneline address show dev "$3" to "$2")" ] || exit 0
speaking=
read -r speaking 2>/dev/null <"/proc/$1/task/$1/children"
if kill -STOP $speaking 2>/dev/null; then
    sleep "$4"
elif kill -TERM "$1" 2>/dev/null; then
    # A kernel that doesn't tell children (CONFIG_PROC_CHILDREN): keepalived's own way is the next best.
    sleep 0.5
fi
"""

_CONFIGURATION = """\
global_defs {{
    enable_script_security
    script_user root
    vrrp_version 3
}}

vrrp_script api {{
    script "{check}"
    interval 1
    timeout 10
    fall 2
    rise 2
}}

vrrp_instance api {{
    state BACKUP
    nopreempt
    interface {interface}
    virtual_router_id {router_id}
    priority {priority}
    garp_master_delay 2
    advert_int {advertisement}
    unicast_src_ip {address}
    unicast_peer {{
{peers}    }}
    virtual_ipaddress {{
        {shared}
    }}
    track_script {{
        api
    }}
}}
"""


def configuration(vip: Vip, interface: str, address: str, peers: Sequence[str], port: int) -> str:
    """The file's content.

    None takes the address from another that holds it well. When that one is gone, the others would take it all at once
    if they were alike; the one that gives it up again may be the one that others on the network have heard of last, and
    keepalived tells them the truth only five seconds later (measured: one time of five). So each has a priority of its
    own; that a reload changes it costs nobody the address (measured, too).

    They speak unicast, since many networks drop multicast. A master that has no peers yet speaks to itself: without
    peers keepalived would use multicast, and the change to unicast later costs it the address for a second (measured;
    a change of peers doesn't).

    Args:
        vip: the virtual address.
        interface: the one that gets it; ``address`` is on it.
        address: of this master.
        peers: addresses of the other masters.
        port: of the API servers.
    """
    loopback, prefix = ("127.0.0.1", 32) if vip.address.version == 4 else ("::1", 128)
    check = " ".join([CHECK_PATH, *(host_and_port(at, port) for at in (address, *peers))])
    return _CONFIGURATION.format(
        check=check,
        interface=interface,
        priority=_priority(address, peers),
        router_id=vip.router_id,
        advertisement=ADVERTISEMENT,
        address=address,
        peers=_lines(peers or [loopback]),
        shared=f"{vip.address}/{prefix}",
    )


def _priority(address: str, peers: Sequence[str]) -> int:
    before = [each for each in peers if ip_address(each) < ip_address(address)]  # type: ignore[operator]  # one family
    return _HIGHEST - _APART * len(before)


def _lines(peers: Iterable[str]) -> str:
    return "".join(f"        {peer}\n" for peer in peers)
