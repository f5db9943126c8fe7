"""What the member of etcd on a host says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.host import Host
from klusterkit.session.connect import fleet_of_one
from klusterkit.session.host.hold import HostHold
from klusterkit.tasks import etcdctl


class NoMember(KlusterKitError):
    """No member answers on the host."""

    exit_code = 8


def member_info(hold: HostHold) -> dict[str, Any]:
    """The member itself, with the original's four fields first, and all members by their names.

    Raises:
        NoMember: none answers.
    """
    with fleet_of_one(hold) as fleet:
        host = fleet[hold.place.name]
        status = asked(host, "endpoint", "status")[0]["Status"]
        members = asked(host, "member", "list")["members"]
    own = next(member for member in members if member["ID"] == status["header"]["member_id"])
    return {
        "ID": own["ID"],
        "name": own.get("name", ""),
        "peerURLs": own.get("peerURLs", []),
        "clientURLs": own.get("clientURLs", []),
        "isLearner": own.get("isLearner", False),
        "isLeader": status["leader"] == own["ID"],
        "version": status["version"],
        "dbSize": status["dbSize"],
        "members": {_name(member): "learner" if member.get("isLearner") else "voting" for member in members},
    }


def _name(member: Mapping[str, Any]) -> str:
    return member.get("name") or f"{member['ID']:x}"


def asked(host: Host, *arguments: str) -> Any:
    """What etcdctl answers about the member on the host. Raises ``NoMember``."""
    ended = host.run(etcdctl.command([etcdctl.LOCAL], *arguments, "--write-out=json"), timeout=10.0)
    if not ended.ok:
        raise NoMember(
            f"no member of etcd answers on {host.name}",
            host=host.name,
            seen=ended.said,
            hint="`systemctl status etcd` there says whether it runs; `etcdadm init` or `join` makes one",
        )
    return json.loads(ended.out)
