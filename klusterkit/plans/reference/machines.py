"""Machines come to the reference cluster and leave it."""

from __future__ import annotations

from collections.abc import Sequence

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.plan import Plan
from klusterkit.plans.create import compile_create
from klusterkit.plans.delete import compile_delete
from klusterkit.plans.deletion import DeleteRequest, Leaving
from klusterkit.plans.push import Content, PushRequest, compile_push
from klusterkit.plans.reference.inputs import (
    CERTIFICATE,
    CLUSTER,
    FACTS,
    HIGHLY_AVAILABLE,
    LINEAGE,
    MACHINE,
    MASTERS,
    PRIVATE,
    REGISTRY,
    WORKERS,
    artifacts,
    bundled,
    facts_of,
    master,
    records,
    worker,
)
from klusterkit.plans.registryupdate import RegistryUpdate, compile_registry_update
from klusterkit.plans.request import CreateRequest, Options


def _create(cluster: Cluster, machines: Sequence[Machine], existing: Sequence[Machine] = ()) -> Plan:
    return compile_create(
        CreateRequest(
            cluster=cluster,
            machines=tuple(machines),
            existing=tuple(existing),
            options=Options(share=True),
            facts={machine.name: facts_of(machine) for machine in machines},
            artifacts=artifacts(cluster),
            lineage=LINEAGE,
            serial=3,
        )
    )


def create_one_master() -> Plan:
    """``create machine --ip 10.0.0.5 --role master``: a cluster of one machine with the values of the README."""
    return compile_create(
        CreateRequest(
            cluster=CLUSTER,
            machines=(MACHINE,),
            facts={MACHINE.name: FACTS},
            artifacts=artifacts(CLUSTER),
            lineage=LINEAGE,
            serial=3,
        )
    )


def create_three_masters_two_workers() -> Plan:
    """A highly available cluster from bare hosts, all at once."""
    machines = [*(master(f"10.0.0.{number}") for number in (5, 6, 7)), worker("10.0.0.8"), worker("10.0.0.9")]
    return _create(HIGHLY_AVAILABLE, machines)


def join_two_masters_one_worker() -> Plan:
    """A cluster of one master with a virtual address grows."""
    first = master("10.0.0.5", node_name="h5", interface="eth0")
    return _create(HIGHLY_AVAILABLE, [master("10.0.0.6"), master("10.0.0.7"), worker("10.0.0.8")], [first])


def _delete(cluster: Cluster, made: Plan, leaving: Sequence[Machine], staying: Sequence[Machine] = ()) -> Plan:
    """Machines leave. Those that ``made`` doesn't speak of are gone."""
    known = records(made)
    asked = next((machine.name for machine in staying if machine.is_master), None)
    return compile_delete(
        DeleteRequest(
            cluster=cluster,
            leaving=tuple(Leaving(machine=machine, record=known.get(machine.name)) for machine in leaving),
            staying=tuple(staying),
            asked_on=asked,
            forget=not staying,
            lineage=LINEAGE,
            serial=4,
        )
    )


def delete_a_worker() -> Plan:
    """A worker leaves."""
    return _delete(HIGHLY_AVAILABLE, create_three_masters_two_workers(), WORKERS[:1], [*MASTERS, *WORKERS[1:]])


def delete_a_master() -> Plan:
    """A master leaves: nobody who uses it is cut off, and its vote goes before anything of it is stopped."""
    return _delete(HIGHLY_AVAILABLE, create_three_masters_two_workers(), MASTERS[2:], [*MASTERS[:2], *WORKERS])


def delete_a_gone_master() -> Plan:
    """A master that is dead is taken out of what stays."""
    return _delete(HIGHLY_AVAILABLE, create_one_master(), MASTERS[2:], [*MASTERS[:2], *WORKERS])


def delete_cluster() -> Plan:
    """A cluster of one master ends: what its etcd holds goes last."""
    return _delete(CLUSTER, create_one_master(), [MACHINE])


def bundle_push() -> Plan:
    """``bundle push``: three hosts get what they lack of two versions; one of them has most of it already."""
    contents = bundled()
    return compile_push(
        PushRequest(
            machines=MASTERS,
            facts={machine.name: facts_of(machine) for machine in MASTERS},
            contents=contents,
            there={machine.name: () for machine in MASTERS[1:]} | {MASTERS[0].name: _digests(contents[1:])},
            operation="bundle push",
            options=Options(share=True),
            lineage=LINEAGE,
            serial=5,
        )
    )


def _digests(contents: Sequence[Content]) -> tuple[str, ...]:
    return tuple(content.sha256 for content in contents)


def update_registry() -> Plan:
    """``update registry``: a master and a worker get another account and authority of the registry that they use."""
    machines = (MASTERS[0], WORKERS[0])
    return compile_registry_update(
        RegistryUpdate(
            cluster=PRIVATE,
            registry=REGISTRY.replace(authority=CERTIFICATE.format("another")),
            account="run/registry.account",
            machines=machines,
            facts={machine.name: facts_of(machine) for machine in machines},
            lineage=LINEAGE,
            serial=6,
        )
    )
