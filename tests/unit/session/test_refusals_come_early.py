"""What can be refused for the request alone is refused before any host is asked, or anything is brought."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from klusterkit.cluster import Cluster, InvalidCluster, Machine, Role
from klusterkit.engine.errors import UsageError
from klusterkit.session.hold import Hold, open_hold
from klusterkit.session.machines.create import Wanted, new_machines, plan_create
from klusterkit.session.machines.wanted import WantedMachine
from klusterkit.session.settings import Settings
from tests.support.bundles import KEY

NOWHERE = "198.51.100.7"
"""An address that nobody has (RFC 5737)."""


class Witness:
    """Remembers what was begun."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, what: str) -> None:
        self.stages.append(what)

    def came(self, name: str, size: int) -> None: ...

    def ended(self, name: str) -> None: ...


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """A state with a credential and a cluster, and a machine in it."""
    settings = Settings(state=tmp_path / "state.yaml", cache=tmp_path, plaintext=True)
    with open_hold(settings, write="test", create=True) as opened:
        cluster = Cluster.of(pod_network="10.2.0.0/16", service_network="10.1.0.0/16")
        master = Machine.of(name="m1", address="198.51.100.1", roles=Role.MASTER, cluster=cluster.name)
        objects = {"cluster": cluster.to_object(), "machines": [master.to_object()]}
        credential = {"name": "ssh-credential", "user": "root", "key": "key", "fingerprint": ""}
        opened.state.fold(opened.snapshot.model_copy(update={**objects, "credentials": [credential]}))
        yield opened


def wanted(*roles: str, address: str = NOWHERE, **more: Any) -> Wanted:
    return Wanted(machines=(WantedMachine(address=address, roles=roles, **more),))


def test_a_second_master_without_a_virtual_address_is_refused_before_its_host_is_looked_at(hold: Hold) -> None:
    witness = Witness()

    with pytest.raises(UsageError, match="no virtual address") as refused:
        plan_create(hold, wanted("master"), witness)

    assert refused.value.hint
    assert witness.stages == []


def test_a_cluster_that_would_have_no_master_is_refused_before_its_host_is_looked_at(hold: Hold) -> None:
    hold.state.fold(hold.snapshot.model_copy(update={"machines": []}))
    witness = Witness()

    with pytest.raises(UsageError, match="has no master"):
        plan_create(hold, wanted("node"), witness)

    assert witness.stages == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"mirror": "/nowhere"}, "there is no folder /nowhere"),
        ({"mirror": "file:///nowhere"}, "there is no folder /nowhere"),
        ({"bundle": Path("/nowhere.bundle"), "bundle_keys": (KEY.public.text,)}, "/nowhere.bundle"),
        ({"bundle": Path("/nowhere.bundle")}, "pins no key"),
    ],
)
def test_where_artifacts_cannot_come_from_is_refused_before_a_host_is_looked_at(
    hold: Hold, source: dict[str, Any], said: str
) -> None:
    hold.settings = hold.settings.model_copy(update=source)
    witness = Witness()

    with pytest.raises(UsageError, match=said) as refused:
        plan_create(hold, wanted("node"), witness)

    assert refused.value.hint
    assert witness.stages == []


@pytest.mark.parametrize("role", ["master", "node"])
def test_a_machine_that_is_named_twice_is_told_as_such(hold: Hold, role: str) -> None:
    once = WantedMachine(address=NOWHERE, roles=(role,))
    again = once.model_copy(update={"name": "other"})
    for second in (once, again):
        with pytest.raises(
            UsageError, match=f"2 of the machines that are asked for have the address {NOWHERE}"
        ) as told:
            plan_create(hold, Wanted(machines=(once, second)), Witness())
        assert "name each machine once" in str(told.value.hint)


def test_two_machines_of_one_name_are_told_as_such(hold: Hold) -> None:
    both = [WantedMachine(address=address, roles=("node",), name="w1") for address in (NOWHERE, "198.51.100.8")]
    with pytest.raises(UsageError, match="2 of the machines that are asked for have the name w1"):
        plan_create(hold, Wanted(machines=tuple(both)), Witness())


THERE: dict[str, Any] = {"address": "198.51.100.1", "name": "m1"}


def test_a_machine_that_is_there_just_as_it_is_asked_for_leaves_nothing_to_do(hold: Hold) -> None:
    witness = Witness()

    assert plan_create(hold, wanted("master", **THERE), witness).empty
    assert witness.stages == []


@pytest.mark.parametrize(
    ("asked", "difference"),
    [
        (wanted("node", **THERE), "roles master, not node"),
        (wanted("master", address="198.51.100.1"), "name m1, not 198.51.100.1"),
        (wanted("master", **{**THERE, "address": NOWHERE}), f"address 198.51.100.1, not {NOWHERE}"),
        (wanted("master", **THERE, port=2222), "port 22, not 2222"),
        (wanted("master", **THERE, labels={"disk": "ssd"}), "labels none, not disk=ssd"),
        (wanted("master", **THERE, taints=("a=b:NoSchedule",)), "taints none, not a=b:NoSchedule"),
        (wanted("master", **THERE, user="ubuntu"), "user root, not ubuntu"),
        (wanted("master", **THERE, node_name="other"), "node name none, not other"),
    ],
)
def test_one_that_is_there_otherwise_is_refused_with_what_differs(hold: Hold, asked: Wanted, difference: str) -> None:
    with pytest.raises(UsageError, match="part of the cluster already") as refused:
        plan_create(hold, asked, Witness())

    assert difference in refused.value.message
    assert refused.value.hint


def test_a_label_that_a_kubelet_may_not_give_is_refused_before_its_host_is_looked_at(hold: Hold) -> None:
    witness = Witness()

    with pytest.raises(InvalidCluster, match="may not give its node the label"):
        plan_create(hold, wanted("node", labels={"node-role.kubernetes.io/worker": ""}), witness)

    assert witness.stages == []


def test_a_machine_is_not_called_by_an_address_that_is_not_its_own(hold: Hold) -> None:
    witness = Witness()

    with pytest.raises(UsageError, match=f"at {NOWHERE} can't be called 198.51.100.8, which is another address"):
        plan_create(hold, wanted("node", name="198.51.100.8"), witness)

    assert witness.stages == []


@pytest.mark.parametrize("name", [NOWHERE, "198.51.100", "w1.198.51.100.8"])
def test_a_machine_may_be_called_by_its_own_address_or_by_what_only_looks_like_one(hold: Hold, name: str) -> None:
    (machine,) = new_machines(hold, hold.the_cluster(), wanted("node", name=name).machines)
    assert machine.name == name
