"""``cctl preflight``: whether hosts can become machines of the cluster. Neither they nor the state file are changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, computed_field

from klusterkit.cluster import Machine
from klusterkit.engine.errors import HostRefused, HostUnreachable, KlusterKitError, UsageError
from klusterkit.engine.facts import Facts
from klusterkit.plans.request import CreateRequest, check_members, checked_host
from klusterkit.session.connect import fleet_for_machines, refuse_before_run
from klusterkit.session.hold import Hold
from klusterkit.session.machines.create import new_machines
from klusterkit.session.machines.fitness import look
from klusterkit.session.machines.wanted import WantedMachine
from klusterkit.session.sidebyside import SideBySide
from klusterkit.tasks.preflight import Refusal

LONGEST = 30.0
"""Seconds for all hosts together, without those in which the operator compares their keys."""


class Check(BaseModel):
    """One thing that is looked at on a host."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    seen: str
    refusals: tuple[Refusal, ...] = ()

    @computed_field
    @property
    def ok(self) -> bool:
        """Whether nothing in it forbids to use the host."""
        return not any(refusal.fatal for refusal in self.refusals)


class Examined(BaseModel):
    """A host, and what was found on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    roles: tuple[str, ...]
    reached: bool
    checks: tuple[Check, ...]

    @computed_field
    @property
    def fit(self) -> bool:
        """Whether it can be used as it is."""
        return all(check.ok for check in self.checks)


def examine(hold: Hold, wanted: Sequence[WantedMachine]) -> list[Examined]:
    """Look at each host that is to become a machine.

    Raises:
        UsageError, InvalidCluster: what is asked for can't be, such as two hosts that have one name.
    """
    cluster = hold.the_cluster()
    machines = {machine.name: machine for machine in new_machines(hold, cluster, wanted)}
    if not machines:
        raise UsageError("these machines are part of the cluster already", hint="`cctl status` says how they are")
    check_members(cluster, hold.machines, [*machines.values()])
    with fleet_for_machines(hold, [*machines.values()]) as fleet:

        def facts(name: str) -> Facts:
            refuse_before_run(hold, fleet[name])
            return look(hold, fleet[name], cluster, machines[name])

        seen = SideBySide(LONGEST, fleet.last_asked).ask(machines, facts)
    request = CreateRequest(
        cluster=cluster,
        machines=tuple(machines.values()),
        existing=tuple(hold.machines),
        facts={name: facts for name, facts in seen.items() if isinstance(facts, Facts)},
        artifacts={},  # how much room they need isn't known: creating the machine looks again when it is
        lineage=hold.snapshot.lineage,
        serial=hold.snapshot.serial,
    )
    if len(request.facts) == len(machines):
        request = request.checked()
    return [_examined(request, machine, seen[machine.name]) for machine in machines.values()]


def _examined(request: CreateRequest, machine: Machine, seen: Facts | KlusterKitError) -> Examined:
    roles = tuple(map(str, machine.roles))
    if isinstance(seen, Facts):
        found = checked_host(request, machine)
        checks = [Check(name="login", seen=f"root by way of {machine.user}@{machine.address}:{machine.port}")]
        checks += [Check(name=name, seen=_SEEN[name](seen), refusals=tuple(found[name])) for name in found]
        return Examined(machine=machine.name, roles=roles, reached=True, checks=tuple(checks))
    reached = not isinstance(seen, HostUnreachable | HostRefused)
    refusal = Refusal(what=seen.message, seen=seen.seen or "", hint=seen.hint or "see whether the host is on")
    check = Check(name="login", seen="no", refusals=(refusal,))
    return Examined(machine=machine.name, roles=roles, reached=reached, checks=(check,))


def _resources(facts: Facts) -> Iterator[str]:
    yield f"{facts.cpus} processors"
    yield f"{facts.memory / (1 << 30):.1f} GiB of memory"
    yield f"{facts.disk_free / (1 << 30):.0f} GiB free below /var/lib"
    yield "swap" if facts.swap else "no swap"


_SEEN: Mapping[str, Callable[[Facts], str]] = {
    "name": lambda facts: facts.hostname or "none",
    "address": lambda facts: ", ".join(facts.addresses),
    "architecture": lambda facts: facts.architecture,
    "system": lambda facts: f"{facts.os}, kernel {facts.kernel}, {facts.init}, cgroup version {facts.cgroup}",
    "other software": lambda facts: ", ".join((*facts.services, *facts.paths)) or "none that would be in the way",
    "ports": lambda facts: f"in use: {', '.join(map(str, facts.listening)) or 'none'}",
    "resources": lambda facts: ", ".join(_resources(facts)),
    "clock": lambda facts: f"{abs(facts.clock_offset):.1f} s off this machine's",
    "networks": lambda facts: ", ".join(facts.addresses),
    "virtual address": lambda facts: ", ".join(facts.interfaces),
}
"""What was seen of each check."""
