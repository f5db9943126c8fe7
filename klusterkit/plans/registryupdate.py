"""Another account or authority of the registry that a cluster runs from, on all of its hosts and in the state."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Cluster, Machine
from klusterkit.cluster.registry import PrivateRegistry
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.plans.draft import Draft, HostDraft
from klusterkit.plans.registry import AUTHORITY, authority_file, hosts_files, hosts_task


class RegistryUpdate(BaseModel):
    """A cluster, and its registry as it is to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: Cluster
    """As it is: it has a registry."""
    registry: PrivateRegistry
    """At the same place."""
    account: str | None = None
    """Name of the secret with the account's new value; None where that stays what it is."""
    machines: tuple[Machine, ...]
    """All that the cluster has."""
    facts: dict[str, Facts]
    """Of their hosts."""
    lineage: str
    serial: int
    operation: str = "update registry"


def compile_registry_update(request: RegistryUpdate) -> Plan:
    """The plan. Pure and deterministic: it reaches no host.

    containerd reads these files with each pull: nothing is restarted, and no pod notices.
    """
    draft = Draft()
    for machine in request.machines:
        _change(draft.on(machine.name), request)
    outcome: dict[str, Any] = {"cluster": request.cluster.replace(registry=request.registry).to_object()}
    if request.registry.account and request.account:
        outcome["secrets"] = {request.registry.account: request.account}
    return draft.plan(request, request.facts, outcome)


def _change(on: HostDraft, request: RegistryUpdate) -> None:
    """What is other than before: the authority first, since the other files name it."""
    was, now = request.cluster.registry, request.registry
    authority, there = authority_file(now), authority_file(was) if was else None
    first = [on.add(AUTHORITY, authority)] if authority and authority != there else []
    before = hosts_files(was) if was else {}
    for name, step in hosts_files(now).items():
        if request.account or step != before.get(name):
            on.add(hosts_task(name), step, first)
