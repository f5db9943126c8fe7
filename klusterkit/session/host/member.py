"""``etcdadm init`` and ``join``: look at the host, at the others and at the snapshot, bring etcd, compile the plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import LATEST, Architecture, Cluster, Machine, Role, Version, release_of
from klusterkit.cluster.artifacts import etcd_archive
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import Host
from klusterkit.engine.plan import Plan
from klusterkit.plans.etcd import SNAPSHOT
from klusterkit.plans.files import etcd
from klusterkit.plans.member import compile_member, member_requirements
from klusterkit.plans.request import ArtifactFile, CreateRequest, EtcdOptions
from klusterkit.session.connect import fleet_of_one, refuse_passed
from klusterkit.session.host.downloads import supply_offline
from klusterkit.session.host.hold import HostHold
from klusterkit.session.host.membership import members_through
from klusterkit.session.host.ownmachine import own_machine
from klusterkit.session.host.snapshotfile import checked_snapshot
from klusterkit.session.machines.fitness import refuse_unfit
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.supply.supplies import Supplies
from klusterkit.tasks.preflight import ETCD_DATA, MARK, check

_NO_CLUSTER = Cluster.of(pod_network="10.2.0.0/16", service_network="10.1.0.0/16")
"""A member's host belongs to no Kubernetes; nothing of this is looked at."""

_ALONE: Mapping[str, str] = {}


class WantedMember(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = None
    """Client URL of a member that is there; None for a new cluster."""
    name: str | None = None
    version: str | None = None
    """Of etcd."""
    address: str | None = None
    names: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    snapshot: Path | None = None
    skip_hash_check: bool = False

    @property
    def operation(self) -> str:
        """The request in the operator's words."""
        words = ["etcdadm", "join" if self.endpoint else "init", *(f"--phase {name}" for name in self.phases)]
        return " ".join([*words, *([self.endpoint] if self.endpoint else [])])


def plan_member(hold: HostHold, wanted: WantedMember, onlooker: Onlooker) -> Plan:
    """The plan that makes the host a member of etcd: of a new cluster, or of the one that an endpoint is of.

    Raises:
        Refused: the host can't be used; all reasons, with what to do.
        UsageError: what is asked for can't be.
        HostRefused, HostUnreachable: the host can't be looked at.
    """
    hold.refuse_run_in_progress()
    snapshot = checked_snapshot(wanted.snapshot, hash_known=not wanted.skip_hash_check) if wanted.snapshot else None
    with fleet_of_one(hold) as fleet:
        host = fleet[hold.place.name]
        refuse_passed(hold, host)
        if wanted.snapshot:
            _refuse_data(host)
        facts = host.facts()
        machine = own_machine(hold, facts, Role.MASTER, name=wanted.name, address=wanted.address)
        supplies = _supplies(hold, wanted, facts, onlooker)
        artifacts = {**supplies.files, **_snapshot(hold, snapshot)}
        request = CreateRequest(
            cluster=_NO_CLUSTER,
            machines=(machine,),
            facts={machine.name: facts},
            artifacts=artifacts,
            lineage=hold.snapshot.lineage,
            serial=hold.snapshot.serial,
            etcd=EtcdOptions(
                version=_tag(wanted.version),
                names=wanted.names,
                priorities=_priorities(wanted.priorities),
                snapshot=artifacts[SNAPSHOT].sha256 if snapshot else None,
                skip_hash_check=wanted.skip_hash_check,
            ),
            own_authorities=True,
            by_hand=wanted.operation,
        )
        others = _others(hold, host, machine, wanted.endpoint) if wanted.endpoint else _ALONE
        _refuse(hold, host, request)
        plan = compile_member(request, others, wanted.phases)
    return plan.changed(serial=hold.snapshot.serial, outcome={**plan.outcome, **supplies.outcome})


def _refuse_data(host: Host) -> None:
    if host.stat(ETCD_DATA)[0].type != "absent":
        raise UsageError(
            f"{host.name} holds data of etcd already, and a snapshot never overwrites any",
            host=host.name,
            seen=f"{ETCD_DATA} is there",
            hint="`etcdadm reset` sets them aside; then restore",
        )


def _tag(version: str | None) -> str:
    """The project's tag, whatever the operator calls the version. Raises ``InvalidCluster``."""
    if version is None:
        return release_of(LATEST).etcd
    return Version.parse(version).tag


def _priorities(lines: tuple[str, ...]) -> tuple[str, ...]:
    for line in lines:
        if "=" not in line or not line.partition("=")[0].isalnum() or "\n" in line:
            raise UsageError(f"--disk-priorities {line!r} is no line of a unit", hint="such as Nice=-10")
    return lines


def _supplies(hold: HostHold, wanted: WantedMember, facts: Facts, onlooker: Onlooker) -> Supplies:
    architecture = Architecture.parse(facts.architecture)
    return supply_offline(hold, architecture, [etcd_archive(_tag(wanted.version), architecture)], onlooker)


def _snapshot(hold: HostHold, path: Path | None) -> dict[str, ArtifactFile]:
    if path is None:
        return {}
    sha256 = hold.take_file(path)
    return {SNAPSHOT: ArtifactFile(sha256=sha256, size=path.stat().st_size)}


def _others(hold: HostHold, host: Host, machine: Machine, endpoint: str) -> Mapping[str, str]:
    """Addresses of the members that there were when this one came, by their names."""
    found = members_through(hold, endpoint, etcd.peer_url(str(machine.address)))
    if found.joined:  # what its configuration said at its first start counts, whoever has come since
        return _configured(host, str(machine.node_name)) or found.others
    return found.others


def _configured(host: Host, name: str) -> Mapping[str, str] | None:
    try:
        said: Any = yaml.safe_load(host.read(etcd.PATH))
        members = dict(pair.split("=", 1) for pair in cast(str, said["initial-cluster"]).split(","))
    except (FileNotFoundError, yaml.YAMLError, TypeError, KeyError, ValueError):
        return None
    return {each: etcd.address_in(url) for each, url in members.items() if each != name}


def _refuse(hold: HostHold, host: Host, request: CreateRequest) -> None:
    if _is_ours(hold, host):
        return  # it runs what would be refused in others
    machine = request.machines[0]
    found = check(request.facts[machine.name], member_requirements(request))
    refuse_unfit(hold, ((machine, refusal) for refusal in found))


def _is_ours(hold: HostHold, host: Host) -> bool:
    try:
        return f"lineage: {hold.snapshot.lineage}\n" in host.read(MARK).decode(errors="replace")
    except FileNotFoundError:
        return False
