"""etcd's configuration file (its documentation, "Configuration options"; values as kubeadm's where it sets them)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from klusterkit.cluster import host_and_port
from klusterkit.engine.yamltext import document

PATH = "/etc/etcd/etcd.yaml"
PKI = "/etc/etcd/pki"
DATA = "/var/lib/etcd"
CLIENT_PORT = 2379
PEER_PORT = 2380
CLIENT_ENVIRONMENT = "/etc/etcd/etcdctl.env"
METRICS = "http://127.0.0.1:2381"

GIB = 1 << 30


def configuration(name: str, members: Mapping[str, str], token: str, memory: int, *, joins: bool = False) -> str:
    """The file's content.

    Args:
        name: of this member.
        members: addresses of all members by their names, this one's too. etcd looks at them at its first start only.
        token: tells clusters apart that were made with the same addresses.
        memory: of the host, in bytes. The quota goes with it: etcd maps its whole database.
        joins: whether the other members are there already.
    """
    client, peer = client_url(members[name]), peer_url(members[name])
    return document(
        {
            "name": name,
            "data-dir": DATA,
            "listen-client-urls": f"{client},https://127.0.0.1:{CLIENT_PORT}",
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": ",".join(f"{member}={peer_url(at)}" for member, at in members.items()),
            "initial-cluster-token": token,
            "initial-cluster-state": "existing" if joins else "new",
            "strict-reconfig-check": True,
            "client-transport-security": _mutual_tls("server"),
            "peer-transport-security": _mutual_tls("peer"),
            "listen-metrics-urls": METRICS,
            "quota-backend-bytes": quota(memory),
            # The API server compacts every five minutes; this is for when none does.
            "auto-compaction-mode": "periodic",
            "auto-compaction-retention": "8h",
            # In nanoseconds: the file takes no other unit for this one.
            "watch-progress-notify-interval": 5_000_000_000,
            "feature-gates": "InitialCorruptCheck=true",
            "log-level": "info",
        }
    )


CLIENT_WRAPPER = f"""\
#!/bin/sh
# etcdctl, towards the member on this host.
set -a
. {CLIENT_ENVIRONMENT}
exec /usr/local/bin/etcdctl "$@"
"""


def client_environment() -> str:
    """What etcdctl has to know to reach the member on its host."""
    values = {
        "ETCDCTL_ENDPOINTS": f"https://127.0.0.1:{CLIENT_PORT}",
        "ETCDCTL_CACERT": f"{PKI}/ca.crt",
        "ETCDCTL_CERT": f"{PKI}/healthcheck-client.crt",
        "ETCDCTL_KEY": f"{PKI}/healthcheck-client.key",
        "ETCDCTL_DIAL_TIMEOUT": "3s",
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def client_url(address: str) -> str:
    """Where clients reach a member."""
    return f"https://{host_and_port(address, CLIENT_PORT)}"


def peer_url(address: str) -> str:
    """Where other members reach it."""
    return f"https://{host_and_port(address, PEER_PORT)}"


def address_in(url: str) -> str:
    """The address that is in a member's URL. Raises ``ValueError`` where there is none."""
    host = urlsplit(url).hostname
    if not host:
        raise ValueError(f"{url!r} has no address")
    return host


def quota(memory: int) -> int:
    """The database's largest size in bytes: 2 GiB (etcd's own default) on small hosts, at most 8 (its advice)."""
    if memory < 8 * GIB:
        return 2 * GIB
    return 4 * GIB if memory < 32 * GIB else 8 * GIB


def _mutual_tls(name: str) -> dict[str, Any]:
    return {
        "client-cert-auth": True,
        "cert-file": f"{PKI}/{name}.crt",
        "key-file": f"{PKI}/{name}.key",
        "trusted-ca-file": f"{PKI}/ca.crt",
    }
