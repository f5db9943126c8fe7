"""A host is handled by itself, as ``etcdadm`` and ``nodeadm`` do."""

from __future__ import annotations

import hashlib
from typing import Any

from klusterkit.cluster import RELEASES, Machine, Role
from klusterkit.engine.plan import Plan
from klusterkit.plans.create import compile_create
from klusterkit.plans.files.etcd import client_url, peer_url
from klusterkit.plans.member import compile_member
from klusterkit.plans.memberreset import MemberResetRequest, Membership, compile_member_reset
from klusterkit.plans.nodereset import NodeResetRequest, compile_node_reset
from klusterkit.plans.reference.inputs import CLUSTER, FACTS, LINEAGE, artifacts, facts_of, records
from klusterkit.plans.request import ArtifactFile, CreateRequest, EtcdOptions


def member_request(command: str = "etcdadm init", **options: Any) -> CreateRequest:
    """What ``etcdadm`` asks for on the reference host, with further options of the member."""
    name = f"etcd {RELEASES[-1].etcd}"
    machine = Machine.of(name="m1", address="10.0.0.5", roles=Role.MASTER, node_name="m1")
    return CreateRequest(
        cluster=CLUSTER,
        machines=(machine,),
        facts={machine.name: FACTS},
        artifacts={"etcd": ArtifactFile(sha256=hashlib.sha256(name.encode()).hexdigest(), size=23_000_000)},
        lineage=LINEAGE,
        serial=1,
        etcd=EtcdOptions(**options),
        own_authorities=True,
        by_hand=command,
    )


def etcdadm_init() -> Plan:
    """``etcdadm init``: a new cluster of one member."""
    return compile_member(member_request(), {})


def etcdadm_join() -> Plan:
    """``etcdadm join https://10.0.0.6:2379``: the third member."""
    others = {"m2": "10.0.0.6", "m3": "10.0.0.7"}
    return compile_member(member_request("etcdadm join https://10.0.0.6:2379"), others)


def etcdadm_reset() -> Plan:
    """``etcdadm reset`` on that member."""
    joined = etcdadm_join()
    (name,) = joined.hosts
    others = (client_url("10.0.0.6"), client_url("10.0.0.7"))
    return compile_member_reset(
        MemberResetRequest(
            host=name,
            facts=FACTS,
            record=records(joined)[name],
            member=Membership(name=name, peer=peer_url("10.0.0.5"), others=others),
            operation="etcdadm reset",
            lineage=LINEAGE,
            serial=2,
        )
    )


def _by_hand(machine: Machine, command: str, **more: Any) -> Plan:
    cluster = CLUSTER.replace(endpoint={"host": "10.0.0.5", "port": 6443}) if "existing" in more else CLUSTER
    request = CreateRequest(
        cluster=cluster,
        machines=(machine,),
        facts={machine.name: facts_of(machine)},
        artifacts=artifacts(CLUSTER),
        lineage=LINEAGE,
        serial=1,
        etcd=EtcdOptions(present=True),
        by_hand=command,
        **more,
    )
    return compile_create(request)


_BY_HAND = Machine.of(name="h5", address="10.0.0.5", roles=Role.MASTER, node_name="h5")


def nodeadm_init() -> Plan:
    """``nodeadm init``: a control plane beside the etcd that is there."""
    return _by_hand(_BY_HAND, "nodeadm init", own_authorities=True)


def nodeadm_join() -> Plan:
    """``nodeadm join 10.0.0.5``: a worker, which the master is asked about."""
    joining = Machine.of(name="h8", address="10.0.0.8", roles=Role.NODE, node_name="h8")
    return _by_hand(joining, "nodeadm join 10.0.0.5", existing=(_BY_HAND,))


def nodeadm_reset() -> Plan:
    """``nodeadm reset`` on that worker."""
    joined = nodeadm_join()
    joining = Machine.from_object(joined.outcome["machines"][-1])
    return compile_node_reset(
        NodeResetRequest(
            host=joining.name,
            facts=facts_of(joining),
            record=records(joined)[joining.name],
            cluster=CLUSTER,
            machine=joining,
            masters=(_BY_HAND,),
            operation="nodeadm reset",
            lineage=LINEAGE,
            serial=2,
        )
    )
