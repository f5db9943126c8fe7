"""``create machine``: look at the hosts, bring the artifacts, compile the plan. Nothing is changed on any host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from pydantic import BaseModel, ConfigDict

from klusterkit.bundle.mirror import MirrorUnreachable
from klusterkit.bundle.registry import RegistryRefused
from klusterkit.cluster import Architecture, Artifact, ArtifactKind, Cluster, Machine, artifacts_for, is_address
from klusterkit.cluster.registry import PrivateRegistry
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.hosts import Fleet
from klusterkit.plans import quorum
from klusterkit.plans.create import compile_create, extra_artifacts
from klusterkit.plans.request import ArtifactFile, CreateRequest, Options, check_members, refusals
from klusterkit.session.connect import each_host, fleet_for_meeting, refuse_passed
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.machines.fitness import look, refuse_unfit
from klusterkit.session.machines.masters import answering, look_at_masters
from klusterkit.session.machines.wanted import WantedMachine
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.supply.peers import ensure_peer_secret
from klusterkit.session.supply.registry import look_up, present_account
from klusterkit.session.supply.supplies import Supplies, foresee_supply, supply


class Wanted(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machines: tuple[WantedMachine, ...]
    options: Options = Options(share=True)


def plan_create(hold: Hold, wanted: Wanted, onlooker: Onlooker) -> Plan:
    """The plan that makes these machines part of the cluster: one without tasks where they are, just as asked.

    What costs least is refused first: the request, what can't be where artifacts come from, then the hosts as they are;
    and only then artifacts are brought.

    Raises:
        Refused: hosts can't be used; all reasons, with what to do.
        UsageError, InvalidCluster: what is asked for can't be.
        HostRefused, HostUnreachable: a host can't be looked at.
    """
    hold.refuse_run_in_progress()
    cluster = hold.the_cluster()
    machines = new_machines(hold, cluster, wanted.machines)
    existing = hold.machines
    if not machines:
        return Plan(operation="create machine", lineage=hold.snapshot.lineage, serial=hold.snapshot.serial, tasks=())
    check_members(cluster, existing, machines)
    foresee_supply(hold)
    # All of it before the keys of the machines are pinned: where anything is refused, the state stays as it was.
    with fleet_for_meeting(hold, [*machines, *existing]) as fleet:
        onlooker.stage(f"looking at {', '.join(machine.name for machine in machines)}")
        request = CreateRequest(
            cluster=cluster,
            machines=machines,
            existing=tuple(existing),
            facts=_facts(hold, fleet, cluster, machines),
            artifacts={},
            lineage=hold.snapshot.lineage,
            serial=hold.snapshot.serial,
            options=wanted.options,
        ).checked()
        refuse_unfit(hold, refusals(request))
        request = _anchored(hold, fleet, request)
        supplies = _supplies(hold, request, onlooker)
        request = request.model_copy(update={"artifacts": supplies.files})
        refuse_unfit(hold, refusals(request))  # again: how much room they need is known now
        plan = compile_create(request)
    ensure_peer_secret(hold)
    return plan.changed(serial=hold.snapshot.serial, outcome={**plan.outcome, **supplies.outcome})


def _anchored(hold: Hold, fleet: Fleet, request: CreateRequest) -> CreateRequest:
    """With a master to ask, where there are some. Raises ``Refused`` where the cluster can't take the machines now."""
    joins = any(machine.is_master for machine in request.machines)
    if joins and (said := quorum.notice(len(request.masters))):
        hold.notice(said)
    masters = [machine for machine in request.existing if machine.is_master]
    if not masters:
        return request
    seen = look_at_masters(hold, fleet, masters)
    if joins and (reasons := list(quorum.refusals(seen))):
        raise Refused("no master can be added to the cluster as it is; nothing was changed", reasons)
    return request.model_copy(update={"asked_on": answering(seen)})


def new_machines(hold: Hold, cluster: Cluster, wanted: Sequence[WantedMachine]) -> tuple[Machine, ...]:
    """Of the machines that are asked for, those that aren't part of the cluster yet.

    Raises:
        UsageError: none is named, or one twice; one is there already, and other than it is asked for; one would be
            called by an address that isn't its own.
    """
    if not wanted:
        raise UsageError("no machine is named", hint="name it by its address: --ip 10.0.0.5")
    if not hold.snapshot.credentials:
        raise UsageError(
            f"{hold.state.path} has no credential yet",
            hint="cctl create credential --user root --private-key ~/.ssh/id_rsa",
        )
    user = hold.snapshot.credentials[0]["user"]
    machines = tuple(each.machine(cluster, user) for each in wanted)
    _refuse_twice("address", (str(machine.address) for machine in machines))
    _refuse_twice("name", (machine.name for machine in machines))
    for machine in machines:
        cluster.check_address(machine.address)
    new = tuple(machine for machine, said in zip(machines, wanted, strict=True) if not _is_there(hold, machine, said))
    for machine in new:
        _refuse_anothers_address(machine)
    return new


def _refuse_anothers_address(machine: Machine) -> None:
    """Machines are called by name or address: one word must not mean two."""
    if machine.name != str(machine.address) and is_address(machine.name):
        raise UsageError(
            f"the machine at {machine.address} can't be called {machine.name}, which is another address",
            hint="leave --name away, and it is called by its own address, or choose a word",
        )


def _refuse_twice(what: str, values: Iterable[str]) -> None:
    """The same machine, or one that was meant to be another."""
    for value, count in Counter(values).items():
        if count > 1:
            raise UsageError(
                f"{count} of the machines that are asked for have the {what} {value}",
                hint="name each machine once; if another was meant, correct it",
            )


def _is_there(hold: Hold, wanted: Machine, said: WantedMachine) -> bool:
    """Whether it is part of the cluster already, just as it is asked for."""
    there = [each for each in hold.machines if each.name == wanted.name or each.address == wanted.address]
    for each in there:
        compared = (*_COMPARED, *(name for name in _WHERE_SAID if getattr(said, name)))
        pairs = {name: (getattr(each, name), getattr(wanted, name)) for name in compared}
        different = [
            f"{name.replace('_', ' ')} {_text(now)}, not {_text(asked)}"
            for name, (now, asked) in pairs.items()
            if now != asked
        ]
        if different:
            raise UsageError(
                f"{each.name} is part of the cluster already, but has {'; '.join(different)}",
                hint="`cctl get machine -o wide` shows it; to be another, it leaves first: `cctl delete machine`",
            )
    return bool(there)


_COMPARED = ("name", "address", "port", "roles", "labels", "taints")
_WHERE_SAID = ("interface", "user", "node_name")


def _text(value: object) -> str:
    match value:
        case dict():
            return ",".join(f"{key}={each}" for key, each in cast(dict[str, str], value).items()) or "none"
        case None:
            return "none"
        case tuple():
            return ",".join(map(str, cast(tuple[object, ...], value))) or "none"
        case _:
            return str(value)


def _facts(hold: Hold, fleet: Fleet, cluster: Cluster, machines: Sequence[Machine]) -> dict[str, Facts]:
    known = {machine.name: machine for machine in machines}

    def facts(name: str) -> Facts:
        refuse_passed(hold, fleet[name])
        return look(hold, fleet[name], cluster, known[name])

    return each_host(known, facts)


def _supplies(hold: Hold, request: CreateRequest, onlooker: Onlooker) -> Supplies:
    architecture, *others = {Architecture.parse(each.architecture) for each in request.facts.values()}
    if others:
        raise UsageError(
            f"the hosts are of several architectures: {', '.join(sorted([architecture, *others]))}",
            hint="create the machines of one architecture at a time",
        )
    wanted = artifacts_of(request.cluster, request.machines, architecture)
    return _brought(hold, request.cluster, architecture, wanted, onlooker)


def artifacts_of(cluster: Cluster, machines: Iterable[Machine], architecture: Architecture) -> tuple[Artifact, ...]:
    """All that machines of a cluster need."""
    roles, shared = {role for machine in machines for role in machine.roles}, cluster.vip is not None
    wanted = artifacts_for(roles, cluster.kubernetes_version, cluster.cni, architecture, vip=shared)
    return (*wanted, *extra_artifacts(cluster.cni))


def _brought(
    hold: Hold, cluster: Cluster, architecture: Architecture, wanted: Iterable[Artifact], onlooker: Onlooker
) -> Supplies:
    """Artifacts brought to this machine; images only looked up where hosts pull them."""
    if cluster.registry is None:
        return supply(hold, architecture, wanted, onlooker)
    files, images = (
        [each for each in wanted if (each.kind is ArtifactKind.IMAGE) is pulled] for pulled in (False, True)
    )
    found = _looked_up(hold, cluster.registry, architecture, images, onlooker)
    brought = supply(hold, architecture, files, onlooker)
    return Supplies({**brought.files, **found}, brought.outcome)


def _looked_up(
    hold: Hold, registry: PrivateRegistry, architecture: Architecture, images: Iterable[Artifact], onlooker: Onlooker
) -> Mapping[str, ArtifactFile]:
    """What images hosts are to pull. The registry may be another one to us than when the cluster was described."""
    try:
        return look_up(registry, present_account(hold, registry), architecture, images, onlooker)
    except (RegistryRefused, MirrorUnreachable) as error:
        hint = "if its account or authority has changed, `cctl update registry` tells the cluster and its hosts"
        raise type(error)(error.message, seen=error.seen, hint=f"{error.hint}; {hint}") from None
