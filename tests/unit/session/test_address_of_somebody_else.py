"""Who answers for the virtual address is asked while nobody of the cluster can have it, and then only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from klusterkit.cluster import Cluster, Machine, Role
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.plans.reference import CLUSTER, FACTS, HIGHLY_AVAILABLE, MACHINE, worker
from klusterkit.session.machines.fitness import look

ADDRESS = "10.0.0.100"
STRANGER = "52:54:00:00:00:fe"


class Site:
    """A host, in whose network somebody has the virtual address, and a state."""

    def __init__(self, *there: Machine, begun: bool = False) -> None:
        self.host = SimulatedHost("m1")
        self.host.machine.facts = FACTS
        self.host.machine.neighbours = {ADDRESS: STRANGER}
        self.hold: Any = SimpleNamespace(machines=there, state=SimpleNamespace(records=[{}] if begun else []))

    def neighbours(self, cluster: Cluster = HIGHLY_AVAILABLE, machine: Machine = MACHINE) -> dict[str, str]:
        return look(self.hold, self.host, cluster, machine).neighbours

    @property
    def asked(self) -> list[tuple[str, ...]]:
        return [call.args for call in self.host.faults.calls if call.method == "neighbour"]


def test_a_host_that_is_to_be_the_first_master_asks_on_the_interface_that_will_hold_the_address() -> None:
    site = Site(worker("10.0.0.8"))
    assert site.neighbours() == {ADDRESS: STRANGER}
    assert site.asked == [(ADDRESS, "eth0")]


def test_nobody_is_told_where_nobody_answers() -> None:
    site = Site()
    site.host.machine.neighbours = {}
    assert site.neighbours() == {}


@pytest.mark.parametrize(
    ("site", "asked"),
    [
        (Site(Machine.of(name="m0", address="10.0.0.4", roles=Role.MASTER)), {}),
        (Site(begun=True), {}),
        (Site(), {"machine": worker("10.0.0.8")}),
        (Site(), {"cluster": CLUSTER}),
        (Site(), {"machine": MACHINE.replace(address="10.0.0.9")}),
    ],
    ids=["a master is there", "a run has begun", "a worker", "no virtual address", "no interface to ask on"],
)
def test_nobody_else_is_asked(site: Site, asked: dict[str, Any]) -> None:
    assert site.neighbours(**asked) == {}
    assert site.asked == []


def test_a_host_that_has_the_address_itself_does_not_ask_others() -> None:
    site = Site()
    site.host.machine.facts = FACTS.model_copy(update={"interfaces": {"eth0": ("10.0.0.5/24", f"{ADDRESS}/32")}})
    assert site.neighbours() == {}
    assert site.asked == []
