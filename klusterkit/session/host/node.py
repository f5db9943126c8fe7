"""``nodeadm init`` and ``join``: look at the host and at its etcd or its cluster, bring artifacts, compile the plan."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Architecture, Cluster, Machine, Role
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import Host
from klusterkit.engine.plan import Plan
from klusterkit.engine.step import Context
from klusterkit.plans import quorum
from klusterkit.plans.create import compile_create
from klusterkit.plans.request import CreateRequest, EtcdOptions, refusals
from klusterkit.session.connect import fleet_of_one, refuse_passed
from klusterkit.session.host.controlplane import masters_through
from klusterkit.session.host.downloads import node_artifacts, supply_offline
from klusterkit.session.host.hold import AUTHORITIES, HostHold
from klusterkit.session.host.memberinfo import asked
from klusterkit.session.host.ownmachine import own_machine
from klusterkit.session.machines.fitness import refuse_unfit, with_neighbour
from klusterkit.session.machines.masters import answering, look_at_masters
from klusterkit.session.machines.wanted import taint
from klusterkit.session.objects import WantedCluster, cluster_wanted
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.supply.supplies import Supplies
from klusterkit.tasks.etcd import Objects


class WantedNode(BaseModel):
    """What the operator asks for the host itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None
    address: str | None = None
    labels: dict[str, str] = {}
    taints: tuple[str, ...] = ()
    interface: str | None = None
    """On which a master holds the virtual address."""

    def machine(self, hold: HostHold, facts: Facts, role: Role, cluster: Cluster) -> Machine:
        """As part of a cluster. Raises ``InvalidCluster`` or ``UsageError`` for what can't be."""
        more: dict[str, Any] = {
            "cluster": cluster.name,
            "labels": self.labels,
            "taints": tuple(taint(text) for text in self.taints),
            "interface": self.interface,
            "version": cluster.kubernetes_version,
        }
        return own_machine(hold, facts, role, name=self.name, address=self.address, **more)


def plan_init(hold: HostHold, cluster: WantedCluster, node: WantedNode, onlooker: Onlooker) -> Plan:
    """The plan that makes the host the first master of a cluster, beside the member of etcd that is there.

    Raises:
        Refused: the host can't be used; all reasons, with what to do.
        NoMember: there is no etcd on the host.
        UsageError, InvalidCluster: what is asked for can't be.
        HostRefused, HostUnreachable: the host can't be looked at.
    """
    hold.refuse_run_in_progress()
    described = cluster_wanted(cluster)
    _refuse_another(hold, described)
    with fleet_of_one(hold) as fleet:
        host = fleet[hold.place.name]
        refuse_passed(hold, host)
        asked(host, "endpoint", "status")
        _refuse_foreign_objects(host)
        request = _request(hold, host, described, node, Role.MASTER)
        facts = {
            each.name: with_neighbour(hold, host, described, each, request.facts[each.name])
            for each in request.machines
        }
        request = request.model_copy(update={"facts": facts, "own_authorities": True, "by_hand": "nodeadm init"})
        return _compiled(hold, request.checked(), onlooker)


def plan_join(hold: HostHold, master: str, role: Role, node: WantedNode, onlooker: Onlooker) -> Plan:
    """The plan that makes the host part of the cluster that a master belongs to, which is reached over SSH.

    The master is asked for the cluster, and its authorities issue what the host is known by; their keys stay there.

    Raises:
        Refused: the host can't be used, or the cluster can't take it now; all reasons, with what to do.
        NoMember: it is to be a master, and there is no etcd on it.
        UsageError, InvalidCluster: what is asked for can't be.
        HostRefused, HostUnreachable: a host can't be looked at.
    """
    hold.refuse_run_in_progress()
    cluster, masters = masters_through(hold, master)
    words = f"nodeadm join {master}" + (" --role master" if role is Role.MASTER else "")
    with fleet_of_one(hold) as fleet:
        host = fleet[hold.place.name]
        refuse_passed(hold, host)
        if role is Role.MASTER:
            asked(host, "endpoint", "status")
            if said := quorum.notice(len(masters) + 1):
                hold.notice(said)
        request = _request(hold, host, cluster, node, role).model_copy(
            update={"existing": masters, "asked_on": answering(look_at_masters(hold, fleet, masters)), "by_hand": words}
        )
        return _compiled(hold, request.checked(), onlooker)


def _request(hold: HostHold, host: Host, cluster: Cluster, node: WantedNode, role: Role) -> CreateRequest:
    facts = host.facts()
    machine = node.machine(hold, facts, role, cluster)
    return CreateRequest(
        cluster=cluster,
        machines=(machine,),
        facts={machine.name: facts},
        artifacts={},
        lineage=hold.snapshot.lineage,
        serial=hold.snapshot.serial,
        etcd=EtcdOptions(present=True),
    )


def _compiled(hold: HostHold, request: CreateRequest, onlooker: Onlooker) -> Plan:
    _refuse(hold, request)
    supplies = _supplies(hold, request, onlooker)
    request = request.model_copy(update={"artifacts": supplies.files})
    _refuse(hold, request)  # again: how much room they need is known now
    plan = compile_create(request)
    return plan.changed(serial=hold.snapshot.serial, outcome={**plan.outcome, **supplies.outcome})


def _refuse(hold: HostHold, request: CreateRequest) -> None:
    if hold.snapshot.cluster is None:  # else it runs already what would be refused in others
        refuse_unfit(hold, refusals(request))


def _supplies(hold: HostHold, request: CreateRequest, onlooker: Onlooker) -> Supplies:
    (machine,) = request.machines
    cluster, architecture = request.cluster, Architecture.parse(request.facts[machine.name].architecture)
    shared = cluster.vip is not None
    wanted = node_artifacts(machine.roles[0], cluster.kubernetes_version, cluster.cni, architecture, vip=shared)
    return supply_offline(hold, architecture, wanted, onlooker)


def _refuse_another(hold: HostHold, wanted: Cluster) -> None:
    there = hold.cluster
    if there is not None and wanted.replace(endpoint=there.endpoint) != there:
        raise UsageError(
            f"the host is part of a cluster already, which is described otherwise: {there.name}",
            host=hold.place.name,
            hint="give the values that it was made with (`nodeadm history` says when), or `nodeadm reset` first",
        )


def _refuse_foreign_objects(host: Host) -> None:
    """A second cluster over the objects of a first, with authorities of its own, would damage both."""
    found = Objects().observe(Context(host=host, run="look", task="look")).satisfied
    authority = f"{AUTHORITIES['ca']}.key"
    if found and host.stat(authority)[0].type == "absent":
        raise UsageError(
            "etcd holds a cluster already, and the host has none of its authorities",
            host=host.name,
            seen=f"{authority} is not there",
            hint="to add a master: `nodeadm join [USER@]MASTER --role master`; to go on with a cluster that lost its "
            "last one, bring its ca, front-proxy-ca and sa files to /etc/kubernetes/pki",
        )
