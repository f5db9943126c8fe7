"""Hosts with a plan for them, and what the state knows: where a story begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any

from klusterkit.cluster import Cluster, Machine, Role
from klusterkit.engine.plan import Plan, Retry, Task
from klusterkit.plans.create import compile_create
from klusterkit.plans.reference import CLUSTER
from klusterkit.plans.request import CreateRequest, Options
from klusterkit.session.connect import QUESTION
from tests.simulation.real.programs.cluster import ClusterModel
from tests.support import supplies

PATIENCE = 20.0
"""Seconds of each attempt: on these hosts whatever comes is there at the second look."""

Setup = Callable[[ClusterModel], None]


class World:
    """Hosts, always the same, and a plan for them."""

    cluster: Cluster
    machines: tuple[Machine, ...] = ()
    """Those of the cluster before."""
    state: bytes | None = None
    """The state file, where there is one before."""
    secrets: Mapping[str, bytes] = {}
    """What the state has besides authorities and keys."""
    inputs: Mapping[str, bytes] = {}
    """What planning keeps in the state for the run alone, and the run's end needs."""
    leaving: tuple[str, ...] = ()
    """Machines whose hosts are to be what they are in :meth:`bare`."""
    guests: frozenset[str] = frozenset()
    """Machines that are only asked: nothing of the run is theirs."""
    brought: tuple[str, ...] = ()
    """Paths of what every host has when the plan is done."""
    serves: bool = True
    """Whether there is an API when the plan is done."""

    def hosts(self) -> ClusterModel:
        """The hosts as they are before."""
        raise NotImplementedError

    def compiled(self) -> Plan:
        """The plan, as KlusterKit compiles it."""
        raise NotImplementedError

    def bare(self) -> ClusterModel:
        """The hosts as they were before they came to what they leave."""
        return self.hosts()

    def secret(self, hosts: ClusterModel, name: str) -> bytes:
        """Of the state, or where there are none in it, of the hosts that have it. Raises ``PermanentError``."""
        _ = hosts
        return {**supplies.secrets(), **self.secrets}[name]

    @cached_property
    def plan(self) -> Plan:
        """The same tasks in the same order, but nobody waits between attempts."""
        hurried = {"retry": Retry(attempts=3, wait=0.0, longest=0.0), "timeout": PATIENCE}
        plan = self.compiled().checked()
        return plan.changed(tasks=tuple(task.model_copy(update=hurried) for task in plan.tasks))

    def with_tasks(self, tasks: Iterable[Task]) -> World:
        """The same, with these tasks in the plan."""
        other = copy(self)
        other.plan = self.plan.changed(tasks=tuple(tasks))
        return other

    def creating(self, *machines: Machine) -> Plan:
        """The plan that makes machines part of the cluster."""
        return compile_create(self.request(self.cluster, machines, existing=self.machines))

    def request(self, cluster: Cluster, machines: Sequence[Machine], **more: Any) -> CreateRequest:
        """The request for machines, by what is seen on their hosts."""
        nodes = self.hosts().nodes
        return CreateRequest(
            cluster=cluster,
            machines=tuple(machines),
            facts={machine.name: nodes[machine.name].machine.look(QUESTION) for machine in machines},
            artifacts=supplies.files(),
            options=Options(share=True),
            lineage="l",
            serial=1,
            **more,
        )


class Beginning(World):
    """Hosts of which a cluster is made.

    Args:
        masters: how many.
        workers: beside them.
        spare: hosts that are not part of it yet.
        cluster: that is wanted.
        setup: what is on the hosts already.
    """

    def __init__(
        self,
        *,
        masters: int = 1,
        workers: int = 0,
        spare: int = 0,
        cluster: Cluster = CLUSTER,
        setup: Setup = lambda _: None,
    ) -> None:
        self.cluster = cluster
        self._roles = [Role.MASTER] * masters + [Role.NODE] * workers
        self._count = masters + workers + spare
        self._setup = setup

    def hosts(self) -> ClusterModel:
        """The hosts as they are before."""
        names = {f"10.0.0.{5 + number}": f"m{1 + number}" for number in range(self._count)}
        made = ClusterModel(names, str(self.cluster.vip.address) if self.cluster.vip else None)
        self._setup(made)
        return made

    def compiled(self) -> Plan:
        """The plan that makes the cluster."""
        names = list(self.hosts().nodes)[: len(self._roles)]
        return self.creating(*(machine(name, role) for name, role in zip(names, self._roles, strict=True)))


def machine(name: str, role: Role) -> Machine:
    """A machine as it is asked for."""
    return Machine.of(name=name, address=name, roles=role)
