"""Worlds in which one host is handled by itself, as ``etcdadm`` and ``nodeadm`` do: authorities are files on hosts, and
each host has a state of its own."""

from __future__ import annotations

from typing import Any

from klusterkit.cluster import Cluster, Machine, Role
from klusterkit.engine.errors import PermanentError
from klusterkit.engine.plan import Plan
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.plans.create import compile_create
from klusterkit.plans.description import PATH
from klusterkit.plans.files import etcd
from klusterkit.plans.member import compile_member
from klusterkit.plans.memberreset import MemberResetRequest, Membership, compile_member_reset
from klusterkit.plans.nodereset import NodeResetRequest, compile_node_reset
from klusterkit.plans.request import EtcdOptions
from klusterkit.session.connect import QUESTION
from klusterkit.session.host.hold import AUTHORITIES, FOLDER
from klusterkit.session.running.records import UNSEALED
from tests.simulation.real.following import Next
from tests.simulation.real.programs.cluster import ClusterModel
from tests.simulation.real.programs.texts import documents
from tests.simulation.real.world import World, machine


class ByHand(Next):
    """A command for one host.

    Args:
        first: what was done before, on this host or another.
        host: the machine's name.
        asked: that of the master, or of the member, which is asked for the cluster.
    """

    def __init__(self, first: World, host: str, asked: str | None = None) -> None:
        super().__init__(first)
        self.host = host
        self._asked = asked

    @property
    def machines(self) -> tuple[Machine, ...]:
        """As the host's own state has them."""
        return self.left.machines if self._is_of_first else ()

    @property
    def state(self) -> bytes | None:
        """The host's own; none where it has none yet."""
        return self.left.state if self._is_of_first else None

    @property
    def _is_of_first(self) -> bool:
        return isinstance(self._first, ByHand) and self._first.host == self.host

    @property
    def guests(self) -> frozenset[str]:
        """The master that is asked."""
        return frozenset([self._asked] if self._asked else ())

    def secret(self, hosts: ClusterModel, name: str) -> bytes:
        """Of the master that is asked, or else of the host."""
        base, _, ending = name.rpartition(".")
        tree, path = hosts.nodes[self._asked or self.host].machine.tree, f"{AUTHORITIES[base]}.{ending}"
        if tree.find(path) is None:
            raise PermanentError(f"{path} is not there yet")
        return tree.read(path)

    def described(self) -> tuple[Cluster, Machine]:
        """The cluster and its master, as that one tells."""
        tree = self.hosts().nodes[str(self._asked)].machine.tree
        cluster, master = documents(tree.read(PATH))
        return Cluster.from_object(cluster), Machine.from_object(master)

    def made(self, role: Role) -> Machine:
        """The machine that the host is to be."""
        name = self.hosts().nodes[self.host].machine.name
        return machine(self.host, role).replace(node_name=name)


class _Member(ByHand):
    def joining(self, command: str, others: dict[str, str]) -> Plan:
        """The plan that makes the host a member beside others, whose addresses are by their names."""
        own: dict[str, Any] = {"own_authorities": True, "by_hand": command}
        return compile_member(self.request(self.cluster, [self.made(Role.MASTER)], **own), others)


class MemberInit(_Member):
    """``etcdadm init`` on a host of a world on whose hosts nothing has been done yet."""

    serves = False

    @property
    def cluster(self) -> Cluster:
        """That the host will be part of."""
        return self._first.cluster

    def hosts(self) -> ClusterModel:
        """As they are before anything is done."""
        return self._first.hosts()

    def compiled(self) -> Plan:
        """The plan that makes the host a member."""
        return self.joining("etcdadm init", {})


class MemberJoin(_Member):
    """``etcdadm join``. Somebody has copied the authority to the host."""

    guests = frozenset()

    def hosts(self) -> ClusterModel:
        """With the authority."""
        made = super().hosts()
        there, here = (made.nodes[name].machine.tree for name in (str(self._asked), self.host))
        here.makedirs(etcd.PKI, 0o700)
        for path in (f"{etcd.PKI}/ca.crt", f"{etcd.PKI}/ca.key"):
            here.write(path, there.read(path), 0o600)
        return made

    def secret(self, hosts: ClusterModel, name: str) -> bytes:
        """The host has it itself."""
        return ByHand(self._first, self.host).secret(hosts, name)

    def compiled(self) -> Plan:
        """The plan that makes the host one more member."""
        return self.joining("etcdadm join", {self.hosts().nodes[str(self._asked)].machine.name: str(self._asked)})


class MasterInit(ByHand):
    """``nodeadm init``, beside the member that is there."""

    def compiled(self) -> Plan:
        """The plan that makes the host a master."""
        own: dict[str, Any] = {"own_authorities": True, "by_hand": "nodeadm init", "etcd": EtcdOptions(present=True)}
        return compile_create(self.request(self.cluster, [self.made(Role.MASTER)], **own))


class NodeJoin(ByHand):
    """``nodeadm join``.

    Args:
        first: likewise.
        host: likewise.
        role: what the host is to be.
        asked: the master.
    """

    def __init__(self, first: World, host: str, role: Role, asked: str) -> None:
        super().__init__(first, host, asked)
        self._role = role

    def compiled(self) -> Plan:
        """The plan that makes the host part of the cluster."""
        cluster, master = self.described()
        more: dict[str, Any] = {"existing": (master,), "by_hand": "nodeadm join", "etcd": EtcdOptions(present=True)}
        return compile_create(self.request(cluster, [self.made(self._role)], **more))


class _Reset(ByHand):
    def bare(self) -> ClusterModel:
        """The hosts as they were before the first plan of these."""
        return self._first.hosts()

    @property
    def leaving(self) -> tuple[str, ...]:
        """The host."""
        return (self.host,)

    def seen(self) -> dict[str, Any]:
        """What every request to take a host back says."""
        node = self.hosts().nodes[self.host]
        record = UNSEALED.read(SimulatedHost(self.host, machine=node.machine))
        facts = node.machine.look(QUESTION)
        return {"host": self.host, "facts": facts, "record": record, "keep": (FOLDER,), "lineage": "l", "serial": 2}


class NodeReset(_Reset):
    """``nodeadm reset``; without a master that is asked, that of the only one."""

    def compiled(self) -> Plan:
        """The plan that makes the host no node any more."""
        own = next(each for each in self.machines if each.name == self.host)
        masters = tuple(each for each in self.machines if each.name == self._asked)
        more: dict[str, Any] = {"cluster": self.cluster, "machine": own, "masters": masters}
        return compile_node_reset(NodeResetRequest(**self.seen(), **more, operation="nodeadm reset"))


class MemberReset(_Reset):
    """``etcdadm reset``; ``asked`` is a member that stays."""

    guests = frozenset()

    def compiled(self) -> Plan:
        """The plan that makes the host no member any more."""
        name = self.hosts().nodes[self.host].machine.name
        others = (etcd.client_url(self._asked),) if self._asked else ()
        member = Membership(name=name, peer=etcd.peer_url(self.host), others=others) if others else None
        return compile_member_reset(MemberResetRequest(**self.seen(), member=member, operation="etcdadm reset"))
