"""Who the members of etcd are, asked of one of them by its HTTP interface: before there is an etcdctl on the host."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from klusterkit import pki
from klusterkit.engine.errors import HostUnreachable, UsageError
from klusterkit.foreign import words_of
from klusterkit.pki import leaves
from klusterkit.plans.files.etcd import address_in
from klusterkit.session.host.hold import HostHold

TIMEOUT = 10.0


@dataclass(frozen=True)
class Found:
    """The members.

    Attributes:
        others: addresses by the members' names, without this one.
        joined: whether this one is among them already.
    """

    others: Mapping[str, str]
    joined: bool


def members_through(hold: HostHold, endpoint: str, own_peer: str) -> Found:
    """Ask the member at this client URL who they are.

    Args:
        hold: whose host has the authority's certificate and key.
        endpoint: of a member, such as ``https://10.0.0.5:2379``.
        own_peer: the peer URL that the new member will have.

    Raises:
        UsageError: the URL is none, or the cluster can't take another member now.
        HostUnreachable: nobody answers there, or it isn't a member of this authority's cluster.
    """
    if urlsplit(endpoint).scheme != "https" or not urlsplit(endpoint).hostname:
        raise UsageError(f"{endpoint!r} is no client URL of etcd", hint="such as https://10.0.0.5:2379")
    members = _ask(endpoint, _context(hold))
    others = [member for member in members if own_peer not in member.get("peerURLs", [])]
    for member in others:
        _refuse_unfinished(member)
    return Found({member["name"]: address_in(member["peerURLs"][0]) for member in others}, len(others) < len(members))


def _refuse_unfinished(member: Mapping[str, Any]) -> None:
    what = f"{member.get('name') or 'a member without a name'} ({', '.join(member.get('peerURLs', []))})"
    if not member.get("name") or member.get("isLearner"):
        raise UsageError(
            f"etcd takes no other member now: {what} {'is a learner' if member.get('isLearner') else 'never started'}",
            hint="finish its joining on its host (`etcdadm resume` there), or `etcdctl.sh member remove` it",
        )


def _context(hold: HostHold) -> ssl.SSLContext:
    certificate = hold.secret("etcd-ca.crt").decode()
    authority = pki.Authority.load(certificate, hold.secret("etcd-ca.key").decode())
    issued = authority.issue(leaves.etcd_healthcheck_client())
    context = ssl.create_default_context(cadata=certificate)
    # Python takes a key from a file only; this one is in no folder, and gone however we end (memfd_create(2)).
    with os.fdopen(os.memfd_create("etcd-client"), "w") as file:
        file.write(issued.cert_pem + issued.key_pem)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context


def _ask(endpoint: str, context: ssl.SSLContext) -> list[dict[str, Any]]:
    url = f"{endpoint.rstrip('/')}/v3/cluster/member/list"
    request = urllib.request.Request(url, data=b'{"linearizable":true}', method="POST")  # noqa: S310 - https only
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:  # noqa: S310
            return list(json.load(answer)["members"])
    except (OSError, ValueError, KeyError) as error:
        raise _unanswered(endpoint, error) from None


def _unanswered(endpoint: str, error: Exception) -> HostUnreachable:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ssl.SSLError):
        hint = "copy ca.crt and ca.key from a host of that very cluster to /etc/etcd/pki"
    else:
        hint = "see that the member runs and has a quorum (`etcdadm info` there), and that it can be reached from here"
    seen = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else words_of(error)
    return HostUnreachable(f"etcd at {endpoint} doesn't say who its members are", seen=seen, hint=hint)
