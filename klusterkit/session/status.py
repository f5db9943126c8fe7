"""How things stand: the run in progress, and on each machine what is wanted, what is there, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Machine
from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.host import Host
from klusterkit.engine.journal import Direction, TaskState
from klusterkit.session.connect import fleet_for_machines
from klusterkit.session.hold import Hold
from klusterkit.tasks import kubectl

AT_ONCE = 32

SERVICES = ("etcd.service", "containerd.service", "kubelet.service")


class Component(BaseModel):
    """One thing on one machine."""

    model_config = ConfigDict(frozen=True)

    machine: str
    name: str
    wanted: str
    seen: str
    hint: str = ""
    """What to do where ``seen`` isn't ``wanted``."""

    @property
    def ok(self) -> bool:
        """Whether it is as wanted."""
        return self.seen == self.wanted


class RunState(BaseModel):
    """How far the run in progress is."""

    model_config = ConfigDict(frozen=True)

    name: str
    operation: str
    direction: Direction
    began: float
    who: str
    tasks: dict[str, TaskState]


class StatusReport(BaseModel):
    """Everything that ``cctl status`` tells."""

    model_config = ConfigDict(frozen=True)

    cluster: str | None
    version: str | None
    run: RunState | None
    components: tuple[Component, ...]

    @property
    def ok(self) -> bool:
        """Whether no run is open and everything is as wanted."""
        return self.run is None and all(component.ok for component in self.components)


def status_of(hold: Hold) -> StatusReport:
    """Look at the state and at every machine. Changes nothing; a machine that can't be reached is told as such."""
    cluster, journal = hold.cluster, hold.run
    return StatusReport(
        cluster=cluster.name if cluster else None,
        version=cluster.kubernetes_version.tag if cluster else None,
        run=RunState(
            name=journal.run,
            operation=journal.plan.operation,
            direction=journal.direction,
            began=journal.began,
            who=journal.who,
            tasks=journal.states,
        )
        if journal
        else None,
        components=tuple(_components(hold)),
    )


def _components(hold: Hold) -> Iterator[Component]:
    machines = hold.machines
    if not machines:
        return
    with fleet_for_machines(hold, machines) as fleet, ThreadPoolExecutor(AT_ONCE) as pool:

        def look(machine: Machine) -> list[Component]:
            return _of_machine(fleet[machine.name], machine)

        for found in pool.map(look, machines):
            yield from found


def _of_machine(host: Host, machine: Machine) -> list[Component]:
    try:
        return [
            Component(machine=machine.name, name="ssh", wanted="reachable", seen="reachable"),
            *_inside(host, machine),
        ]
    except KlusterKitError as error:
        hint = error.hint or "see whether the host is on, and its link up"
        return [Component(machine=machine.name, name="ssh", wanted="reachable", seen=error.message, hint=hint)]


def _inside(host: Host, machine: Machine) -> Iterator[Component]:
    units = SERVICES if machine.is_master else SERVICES[1:]
    states = host.run(["systemctl", "is-active", *units]).text.splitlines()
    for unit, state in zip(units, states, strict=False):
        name = unit.removesuffix(".service")
        hint = f"on {machine.name}: journalctl -u {unit} -n 50"
        yield Component(machine=machine.name, name=name, wanted="active", seen=state, hint=hint)
    if machine.is_master:
        ready = _kubectl(host, "get", "--raw", "/readyz")
        hint = f"on {machine.name}: journalctl -u kubelet -n 50"
        yield Component(machine=machine.name, name="apiserver", wanted="ok", seen=ready, hint=hint)
        yield from _node(host, machine)


def _node(host: Host, machine: Machine) -> Iterator[Component]:
    conditions = 'Ready={.status.conditions[?(@.type=="Ready")].status} {.status.nodeInfo.kubeletVersion}'
    seen = _kubectl(host, "get", "node", str(machine.node_name), "-o", f"jsonpath={conditions}")
    wanted = f"Ready=True {machine.version.tag if machine.version else ''}".strip()
    hint = f"kubectl describe node {machine.node_name}"
    yield Component(machine=machine.name, name="node", wanted=wanted, seen=seen, hint=hint)


def _kubectl(host: Host, *arguments: str) -> str:
    ended = host.run(kubectl.command(*arguments), timeout=20.0)
    return ended.text if ended.ok else (ended.said.splitlines() or ["no answer"])[-1]
