"""``update registry``: prove the new account or authority, see that all hosts can be told, compile the plan.

It is a command of its own. A file of objects can't hold a password, `create cluster` describes what isn't there yet,
and `create credential --replace` changes the state alone: here hosts have to follow, as with any other plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from klusterkit.bundle.registry import Account
from klusterkit.cluster import Architecture, ArtifactKind, Cluster, Machine
from klusterkit.cluster.registry import PrivateRegistry
from klusterkit.engine.errors import KlusterKitError, UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.plans.registryupdate import RegistryUpdate, compile_registry_update
from klusterkit.session.connect import each_host, fleet_for_machines
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.machines.create import artifacts_of
from klusterkit.session.machines.silent import missing, seen_on
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.running.inputs import keep_inputs, replacing
from klusterkit.session.settings import RegistryAccess
from klusterkit.session.supply.registry import ACCOUNT, account_in, described, look_up, present_account


class WantedAccess(BaseModel):
    """What the operator asks for: what isn't said stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca: Path | None = None
    """The registry's authority, in PEM."""
    username: str | None = None
    """Where only a password is given, the one that the cluster has."""
    password: SecretStr | None = None


def plan_registry_update(hold: Hold, wanted: WantedAccess, onlooker: Onlooker) -> Plan:
    """The plan that has all hosts and the state know the registry anew; an empty one where they do.

    A host that can't be told now is refused: its pods would wait for images that it isn't let have any more.

    Raises:
        UsageError: there is no registry, or what is asked for can't be.
        Refused: hosts can't be told; all reasons.
        ArtifactMissing, RegistryRefused, MirrorUnreachable: the registry doesn't give the cluster's images so.
    """
    hold.refuse_run_in_progress()
    cluster, there = _registry_of(hold)
    present = present_account(hold, there)
    registry, value = _wanted(there, present, wanted)
    account = account_in(hold, value) if value is not None else present
    if registry == there and account == present:
        lineage, serial = hold.snapshot.lineage, hold.snapshot.serial
        return Plan(operation="update registry", lineage=lineage, serial=serial, tasks=())
    facts = _facts(hold, onlooker)
    _prove(cluster, registry, account, hold.machines, {each.architecture for each in facts.values()}, onlooker)
    inputs = {replacing(ACCOUNT): value} if value is not None and account != present else {}
    keep_inputs(hold, inputs)
    return compile_registry_update(
        RegistryUpdate(
            cluster=cluster,
            registry=registry,
            account=next(iter(inputs), None),
            machines=tuple(hold.machines),
            facts=facts,
            lineage=hold.snapshot.lineage,
            serial=hold.snapshot.serial,
        )
    )


def _registry_of(hold: Hold) -> tuple[Cluster, PrivateRegistry]:
    cluster = hold.the_cluster()
    if cluster.registry is None:
        raise UsageError(
            f"the cluster {cluster.name} runs from no private registry: its images are brought to hosts",
            hint="where images come from is said once, when a cluster is described: `cctl create cluster --registry`",
        )
    return cluster, cluster.registry


def _wanted(
    there: PrivateRegistry, present: Account | None, wanted: WantedAccess
) -> tuple[PrivateRegistry, bytes | None]:
    """The registry as it is to be, and the value of its account's secret where one is given."""
    username = wanted.username
    if username is None and wanted.password is not None:
        if present is None:
            raise UsageError(
                f"{there.place} lets everybody in so far: whose password is it?", hint="name it: --registry-username"
            )
        username = present.username
    password = wanted.password or SecretStr("")
    said, secrets = described(RegistryAccess(place=there.place, ca=wanted.ca, username=username, password=password))
    changes = {"authority": said.authority, "account": said.account}
    return there.replace(**{name: value for name, value in changes.items() if value}), secrets.get(ACCOUNT)


def _facts(hold: Hold, onlooker: Onlooker) -> dict[str, Facts]:
    """Of all hosts. Raises ``Refused`` with the names of those that can't be told anything now."""
    names = [machine.name for machine in hold.machines]
    if names:
        onlooker.stage(f"looking at {len(names)} hosts")
    with fleet_for_machines(hold, hold.machines) as fleet:  # also of none: it says whether the command may go on
        seen = each_host(names, lambda name: seen_on(hold, fleet[name], lambda host: host.facts()))
    silent = {name: found for name, found in seen.items() if isinstance(found, KlusterKitError)}
    if silent:
        message = f"{', '.join(silent)} can't be told of the registry; nothing was changed"
        raise Refused(message, [missing(name, error) for name, error in silent.items()])
    return {name: found for name, found in seen.items() if isinstance(found, Facts)}


def _prove(
    cluster: Cluster,
    registry: PrivateRegistry,
    account: Account | None,
    machines: Collection[Machine],
    architectures: Iterable[str],
    onlooker: Onlooker,
) -> None:
    """See that the registry gives all images of the cluster, as `create machine` would, before any host is changed."""
    for name in sorted(architectures) or [Architecture.AMD64]:
        architecture = Architecture.parse(name)
        wanted = artifacts_of(cluster, machines, architecture)
        images = [artifact for artifact in wanted if artifact.kind is ArtifactKind.IMAGE]
        look_up(registry, account, architecture, images, onlooker)
