"""``bundle push``: look at what hosts have, and compile the plan that brings them the rest of a bundle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from klusterkit.bundle import ArtifactStore
from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.manifest import Kind
from klusterkit.cluster import Architecture, Machine, machine_name, parse_address
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import Host
from klusterkit.engine.plan import Plan
from klusterkit.hosts import Fleet
from klusterkit.plans.push import Content, PushRequest, compile_push
from klusterkit.plans.request import Options
from klusterkit.session.connect import each_host, fleet_for_meeting, refuse_passed
from klusterkit.session.hold import Hold, expanded
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.supply.peers import ensure_peer_secret
from klusterkit.session.supply.trust import record_of, trusted_bundle
from klusterkit.tasks.artifacts import ARTIFACTS

PUSHED = (Kind.BINARY, Kind.ARCHIVE, Kind.IMAGE)
"""What hosts get as files. Units and configurations are written for each host."""


class WantedPush(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: Path | None = None
    """None for the one that the settings name."""
    addresses: tuple[str, ...] = ()
    """Of machines; none for all of the cluster."""
    port: int = 22
    share: bool = True
    """Whether hosts serve each other."""

    @property
    def operation(self) -> str:
        """The request in the operator's words."""
        return " ".join(["bundle push", *(f"--ip {address}" for address in self.addresses)])


def plan_push(hold: Hold, wanted: WantedPush, onlooker: Onlooker) -> Plan:
    """The plan that brings machines what they lack of a bundle.

    Raises:
        BundleRefused: the bundle can't be trusted.
        UsageError: there is no bundle, no machine, or no room.
        HostRefused, HostUnreachable: a host can't be looked at.
    """
    hold.refuse_run_in_progress()
    path = wanted.bundle or hold.settings.bundle
    if path is None:
        raise UsageError("no bundle is named", hint="cctl bundle push BUNDLE, or KLUSTERKIT_BUNDLE")
    machines = _machines(hold, wanted)
    onlooker.stage(f"verifying {path}")
    with trusted_bundle(hold, expanded(path)) as bundle, fleet_for_meeting(hold, machines) as fleet:
        onlooker.stage(f"looking at {', '.join(machine.name for machine in machines)}")
        request = _request(hold, wanted, machines, _contents(bundle), fleet)
        _refuse_architecture(bundle, request)
        plan = compile_push(request)
        _take_out(hold, bundle, request, onlooker)
        outcome: dict[str, Any] = {"bundle": record_of(bundle.manifest)}
    ensure_peer_secret(hold)
    known = {machine.name for machine in hold.machines}
    if visited := [machine.to_object() for machine in machines if machine.name not in known]:
        outcome["visited"] = {"machines": visited}
    return plan.changed(serial=hold.snapshot.serial, outcome=outcome)


def _machines(hold: Hold, wanted: WantedPush) -> tuple[Machine, ...]:
    """Those that are named, known to the state or not; or all that it knows."""
    known = {str(machine.address): machine for machine in hold.machines}
    if not wanted.addresses:
        if not known:
            raise UsageError("no machine is named, and the cluster has none yet", hint="name them: --ip 10.0.0.5")
        return tuple(known.values())
    if not hold.snapshot.credentials:
        raise UsageError(
            f"{hold.state.path} has no credential yet",
            hint="cctl create credential --user root --private-key ~/.ssh/id_rsa",
        )
    user = hold.snapshot.credentials[0]["user"]
    addresses = [str(parse_address(address, "machine address")) for address in dict.fromkeys(wanted.addresses)]
    return tuple(known.get(address) or _stranger(address, user, wanted.port) for address in addresses)


def _stranger(address: str, user: str, port: int) -> Machine:
    name = machine_name(parse_address(address, "machine address"))
    return Machine.of(name=name, address=address, roles="node", user=user, port=port)


def _contents(bundle: Bundle) -> tuple[Content, ...]:
    entries = {entry.sha256: entry for entry in bundle.manifest.entries if entry.kind in PUSHED}
    return tuple(
        Content(name=each.name, version=each.version, sha256=each.sha256, size=each.size) for each in entries.values()
    )


def _request(
    hold: Hold, wanted: WantedPush, machines: tuple[Machine, ...], contents: tuple[Content, ...], fleet: Fleet
) -> PushRequest:
    names = [machine.name for machine in machines]

    def facts(name: str) -> Facts:
        refuse_passed(hold, fleet[name])
        return fleet[name].facts()

    return PushRequest(
        machines=machines,
        facts=each_host(names, facts),
        contents=contents,
        there=each_host(names, lambda name: _there(fleet[name], contents)),
        lineage=hold.snapshot.lineage,
        serial=hold.snapshot.serial,
        operation=wanted.operation,
        options=Options(share=wanted.share),
    )


def _there(host: Host, contents: Iterable[Content]) -> tuple[str, ...]:
    """What a host has, by names and sizes: what is there under its name was verified when it got there."""
    listed = host.run(["find", ARTIFACTS, "-maxdepth", "1", "-type", "f", "-printf", "%f %s\n"]).text.splitlines()
    return tuple(content.sha256 for content in contents if f"{content.sha256} {content.size}" in listed)


def _refuse_architecture(bundle: Bundle, request: PushRequest) -> None:
    for name, facts in request.facts.items():
        if Architecture.parse(facts.architecture) != bundle.manifest.architecture:
            raise UsageError(
                f"the bundle is for {bundle.manifest.architecture}, {name} is {facts.architecture}",
                host=name,
                hint="build one for it: cctl bundle build --architecture …",
            )


def _take_out(hold: Hold, bundle: Bundle, request: PushRequest, onlooker: Onlooker) -> None:
    lacking = {content.sha256 for machine in request.machines for content in request.lacking(machine)}
    onlooker.stage(f"taking {len(lacking)} files out of {bundle.path}")
    bundle.extract(sorted(lacking), ArtifactStore(hold.settings.cache))
