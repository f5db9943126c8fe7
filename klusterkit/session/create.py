"""``create machine``: look at the hosts, bring the artifacts, compile the plan. Nothing is changed on any host."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Architecture, Cluster, Machine, Taint, artifacts_for, machine_name, parse_address
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.hosts import Fleet
from klusterkit.plans.create import compile_create, extra_artifacts
from klusterkit.plans.request import CreateRequest, check_members, refusals
from klusterkit.session.connect import each_host, fleet_for_meeting, refuse_passed
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.supplies import Supplies, supply


class Wanted(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    addresses: tuple[str, ...]
    role: str
    port: int = 22
    name: str | None = None
    """Of a single machine; by default a machine is called by its address."""
    labels: dict[str, str] = {}
    taints: tuple[str, ...] = ()

    @property
    def operation(self) -> str:
        """The request in the operator's words."""
        return f"create machine {' '.join(f'--ip {address}' for address in self.addresses)} --role {self.role}"


def plan_create(hold: Hold, wanted: Wanted, onlooker: Onlooker) -> Plan:
    """The plan that makes these machines part of the cluster.

    What costs least is refused first: the request, then the hosts as they are, and only then artifacts are brought.

    Raises:
        Refused: hosts can't be used; all reasons, with what to do.
        UsageError, InvalidCluster: what is asked for can't be.
        HostRefused, HostUnreachable: a host can't be looked at.
    """
    hold.refuse_run_in_progress()
    cluster = hold.the_cluster()
    machines = _machines(hold, cluster, wanted)
    check_members(cluster, hold.machines, machines)
    # All of it before the keys of the machines are pinned: where anything is refused, the state stays as it was.
    with fleet_for_meeting(hold, machines) as fleet:
        onlooker.stage(f"looking at {', '.join(machine.name for machine in machines)}")
        request = CreateRequest(
            cluster=cluster,
            machines=machines,
            existing=tuple(hold.machines),
            facts=_facts(hold, fleet, machines),
            artifacts={},
            lineage=hold.snapshot.lineage,
            serial=hold.snapshot.serial,
            operation=wanted.operation,
        ).checked()
        _refuse(hold, request)
        supplies = _supplies(hold, request, onlooker)
        request = request.model_copy(update={"artifacts": supplies.files})
        _refuse(hold, request)  # again: how much room they need is known now
        plan = compile_create(request)
    return plan.changed(serial=hold.snapshot.serial, outcome={**plan.outcome, **supplies.outcome})


def _machines(hold: Hold, cluster: Cluster, wanted: Wanted) -> tuple[Machine, ...]:
    if not wanted.addresses:
        raise UsageError("no machine is named", hint="name it by its address: --ip 10.0.0.5")
    if wanted.name and len(wanted.addresses) > 1:
        raise UsageError("one name for several machines", hint="leave --name out, or create them one by one")
    if not hold.snapshot.credentials:
        raise UsageError(
            f"{hold.state.path} has no credential yet",
            hint="cctl create credential --user root --private-key ~/.ssh/id_rsa",
        )
    user = hold.snapshot.credentials[0]["user"]
    machines = tuple(
        Machine.of(
            name=wanted.name or machine_name(parse_address(address, "machine address")),
            address=address,
            roles=wanted.role,
            cluster=cluster.name,
            port=wanted.port,
            user=user,
            labels=wanted.labels,
            taints=tuple(_taint(text) for text in wanted.taints),
            version=cluster.kubernetes_version,
        )
        for address in wanted.addresses
    )
    for machine in machines:
        cluster.check_address(machine.address)
        if any(there.name == machine.name or there.address == machine.address for there in hold.machines):
            raise UsageError(f"{machine.name} is part of the cluster already", hint="`cctl get machine` lists them")
    return machines


def _taint(text: str) -> Taint:
    body, _, effect = text.rpartition(":")
    key, _, value = body.partition("=")
    return Taint.of(key=key, value=value, effect=effect)


def _facts(hold: Hold, fleet: Fleet, machines: Sequence[Machine]) -> dict[str, Facts]:
    def facts(name: str) -> Facts:
        refuse_passed(hold, fleet[name])
        return fleet[name].facts()

    return each_host([machine.name for machine in machines], facts)


def _supplies(hold: Hold, request: CreateRequest, onlooker: Onlooker) -> Supplies:
    architecture, *others = {Architecture.parse(each.architecture) for each in request.facts.values()}
    if others:
        raise UsageError(
            f"the hosts are of several architectures: {', '.join(sorted([architecture, *others]))}",
            hint="create the machines of one architecture at a time",
        )
    cluster, roles = request.cluster, {role for machine in request.machines for role in machine.roles}
    wanted = artifacts_for(roles, cluster.kubernetes_version, cluster.cni, architecture)
    return supply(hold, architecture, (*wanted, *extra_artifacts(cluster.cni)), onlooker)


def _refuse(hold: Hold, request: CreateRequest) -> None:
    reasons: list[UsageError] = []
    for machine, refusal in refusals(request):
        if refusal.fatal:
            reasons.append(UsageError(refusal.what, host=machine.name, seen=refusal.seen, hint=refusal.hint))
        else:
            hold.notice(f"{machine.name}: {refusal}")
    if reasons:
        hosts = sorted({str(reason.host) for reason in reasons})
        raise Refused(f"{', '.join(hosts)} can't be used as it is; nothing was changed", reasons)
