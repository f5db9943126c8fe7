"""What the deletion of machines is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.facts import Facts
from klusterkit.engine.record import HostRecord


class DrainOptions(BaseModel):
    """How pods are made to leave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    skip: bool = False
    """Leave them to end with their host."""
    within: float | None = 300.0
    """Seconds for all pods of a node; None for no limit."""
    force: bool = False
    """Whether pods go that nothing makes anew elsewhere."""
    local_data: bool = False
    """Whether pods go that keep data in an emptyDir, which ends with them."""
    at_once: int | None = None
    """Nodes that are drained at the same time; None for all of them."""
    grace: int | None = None
    """Seconds that each pod gets to end; None for what it says itself."""


class Leaving(BaseModel):
    """A machine that leaves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: Machine
    record: HostRecord | None = None
    """What was done to its host; None for a host that is gone for good."""

    @property
    def node(self) -> str:
        """Its name in Kubernetes."""
        return self.machine.node_name or self.machine.name


class DeleteRequest(BaseModel):
    """Machines that are to leave a cluster, and what stays of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: Cluster
    leaving: tuple[Leaving, ...]
    staying: tuple[Machine, ...] = ()
    asked_on: str | None = None
    """The name of the master that stays and is asked; None where none stays: then the cluster ends."""
    silent: frozenset[str] = frozenset()
    """Names of masters that stay and don't answer now: what they should know has to wait."""
    forget: bool = False
    """Whether the description of the cluster and its authorities go with the last machine."""
    facts: dict[str, Facts] = {}
    """Of the hosts that are changed."""
    drain: DrainOptions = DrainOptions()
    keep_uploads: bool = False
    """Whether what was uploaded stays on the hosts, for the next time."""
    lineage: str
    serial: int
    operation: str = "delete machine"

    @property
    def gone(self) -> tuple[Leaving, ...]:
        """Those whose hosts are gone for good."""
        return tuple(each for each in self.leaving if each.record is None)

    @property
    def living(self) -> tuple[Leaving, ...]:
        """Those whose hosts can be taken back."""
        return tuple(each for each in self.leaving if each.record is not None)

    @property
    def masters(self) -> tuple[Machine, ...]:
        """Those that stay."""
        return tuple(machine for machine in self.staying if machine.is_master)

    def voters(self) -> Iterator[Leaving]:
        """Masters that leave, in the order in which their votes go: those that are gone count against the others."""
        for each in (*self.gone, *self.living):
            if each.machine.is_master:
                yield each
