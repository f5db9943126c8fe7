"""A session for one host: what ``etcdadm`` and ``nodeadm`` can ask for, besides what every session can."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from klusterkit.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from klusterkit.engine.plan import Plan
    from klusterkit.session.host.hold import HostHold, Place
    from klusterkit.session.onlooker import Onlooker
    from klusterkit.session.settings import Settings


class HostSession(Session):
    """One command's session on one host. Opened with :meth:`on`."""

    def __init__(self, hold: HostHold) -> None:
        super().__init__(hold)
        self._host = hold

    @classmethod
    @contextmanager
    def on(cls, settings: Settings, place: Place, *, write: str | None = None) -> Generator[HostSession]:
        """Open the host's state file; see :func:`klusterkit.session.host.hold.open_on_host`."""
        from klusterkit.session.host.hold import open_on_host

        with open_on_host(settings, place, write=write) as hold:
            yield cls(hold)

    def pin_bundle_keys(self) -> None:
        """Pin the public keys that the command was given (:func:`klusterkit.session.supply.trust.pin_given_keys`)."""
        from klusterkit.session.supply.trust import pin_given_keys

        pin_given_keys(self._host)

    def plan_member(self, onlooker: Onlooker, **wanted: Any) -> Plan:
        """A member of etcd on the host (the fields of :class:`klusterkit.session.host.member.WantedMember`)."""
        from klusterkit.session.host.member import WantedMember, plan_member

        return plan_member(self._host, WantedMember(**wanted), onlooker)

    def plan_node(self, onlooker: Onlooker, *, master: str | None, role: str, cluster: Any, node: Any) -> Plan:
        """A node on the host: of a new cluster, or of the one of a master (see :mod:`klusterkit.session.host.node`)."""
        from klusterkit.cluster import Role
        from klusterkit.session.host.node import WantedNode, plan_init, plan_join
        from klusterkit.session.objects import WantedCluster

        wanted = WantedNode(**node)
        if master is None:
            return plan_init(self._host, WantedCluster(**cluster), wanted, onlooker)
        return plan_join(self._host, master, Role.parse(role), wanted, onlooker)

    def plan_node_reset(self, **wanted: Any) -> Plan:
        """No node any more (the fields of :class:`klusterkit.session.host.nodereset.WantedNodeReset`)."""
        from klusterkit.session.host.nodereset import WantedNodeReset, plan_node_reset

        return plan_node_reset(self._host, WantedNodeReset(**wanted))

    def plan_member_reset(self, **wanted: Any) -> Plan:
        """No member any more (the fields of :class:`klusterkit.session.host.memberreset.WantedMemberReset`)."""
        from klusterkit.session.host.memberreset import WantedMemberReset, plan_member_reset

        return plan_member_reset(self._host, WantedMemberReset(**wanted))

    def member(self) -> dict[str, Any]:
        """What the host's etcd says of itself; see :func:`klusterkit.session.host.memberinfo.member_info`."""
        from klusterkit.session.host.memberinfo import member_info

        return member_info(self._host)

    def download_etcd(self, version: str | None, onlooker: Onlooker) -> Path:
        """Bring etcd to the folder of downloads, for when nothing can be reached. Returns the file."""
        from klusterkit.session.host.downloads import download_etcd

        return download_etcd(self._host, version, onlooker)

    def download_node(self, version: str | None, onlooker: Onlooker) -> list[Path]:
        """Bring all that a node of any role needs there, likewise. Returns the files."""
        from klusterkit.session.host.downloads import download_node

        return download_node(self._host, version, onlooker)
