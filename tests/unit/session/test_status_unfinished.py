"""While a run is unfinished, nothing is advised that works against it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

from sights import healthy, healthy_api, judged, listed, master, worker, wrong

from klusterkit.engine.errors import HostUnreachable
from klusterkit.engine.journal import Journal, Record, Store
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Step
from klusterkit.session.status.model import Component
from klusterkit.session.status.seen import EtcdSeen, MachineSeen, Node, UnitState
from klusterkit.session.status.standing import Standing
from klusterkit.session.status.unfinished import in_view_of
from klusterkit.tasks.files import TextFile
from klusterkit.tasks.gates import ApiStopped
from klusterkit.tasks.leaving import Cordon
from klusterkit.tasks.membership import Leave
from tests.unit.engine.bench import MemoryStore
from tests.unit.session.conftest import MACHINES, Opened

M1, M2, W1 = master(1), master(2), worker(1)
ALL = [M1, M2, W1]
STOPPED = UnitState("inactive", "dead", "disabled")
RESUME = "'delete machine m2' is unfinished: `cctl resume` goes on with it"
BACK = "`cctl rollback` takes it back"
TASKS: dict[str, Step] = {
    "m1/cordon": Cordon(node="n2"),
    "m2/file": TextFile(path="/etc/x", content="x"),
    "m2/stopped": ApiStopped(),
    "m1/vote": Leave(name="n2", peer="https://10.0.0.2:2380", through=("https://10.0.0.1:2379",)),
}


def run(*begun: str, leaving: Sequence[str] = ("m2",), store: Store | None = None) -> Journal:
    """One in which machines leave, with these of its tasks begun."""
    plan = Plan(
        operation="delete machine m2",
        lineage="l",
        serial=1,
        tasks=tuple(Task(id=name, host=name[:2], step=step) for name, step in TASKS.items()),
        outcome={"removed": {"machines": [*leaving]}},
    )
    journal = Journal.open(store or MemoryStore(), plan, run="r1", who="somebody")
    journal.write(*(Record(record="begin", at=time.time(), task=name, attempt=1, before={}) for name in begun))
    return journal


def advised(journal: Journal, seen: dict[str, MachineSeen], **nodes: Node) -> dict[tuple[str, str], str]:
    """What is to be done about what is wrong."""
    everything = {machine.name: healthy(machine, ALL) for machine in ALL} | seen
    _, components = judged(ALL, everything, healthy_api(ALL, **nodes))
    return hints(in_view_of(journal, components))


def hints(components: list[Component]) -> dict[tuple[str, str], str]:
    return {place: component.hint for place, component in wrong(components).items()}


def without_kubelet(number: int) -> dict[str, MachineSeen]:
    machine = ALL[number - 1]
    units = healthy(machine, ALL).units
    return {machine.name: healthy(machine, ALL, units={**units, "kubelet.service": STOPPED})}


def test_nobody_is_told_to_start_what_has_stopped_on_a_host_that_leaves() -> None:
    assert advised(run("m2/file"), without_kubelet(2)) == {("m2", "kubelet"): f"{RESUME}, {BACK}"}


def test_once_a_vote_has_gone_there_is_no_way_back_to_tell_of() -> None:
    found = advised(run("m2/file", "m1/vote"), without_kubelet(2))
    assert found == {("m2", "kubelet"): f"{RESUME}, it can't be taken back any more"}


def test_nobody_is_told_to_let_pods_onto_a_node_that_is_drained() -> None:
    cordoned = Node("True", "", True, "v1.36.3", healthy_api(ALL).nodes["n2"].runtime)
    found = advised(run("m1/cordon"), {}, n2=cordoned)
    assert found == {("m2", "node"): f"{RESUME}, {BACK}"}


def test_where_a_machine_stays_what_the_run_may_wait_for_is_told_as_well() -> None:
    hint = advised(run("m1/cordon"), without_kubelet(1))["m1", "kubelet"]
    assert hint.startswith(f"{RESUME}, {BACK}. If that doesn't mend it: on m1: journalctl -u kubelet")


def test_a_machine_that_the_run_has_not_come_to_is_advised_as_ever() -> None:
    assert advised(run("m2/file"), without_kubelet(3))["w1", "kubelet"].startswith("on w1: journalctl")
    for untouched in (run(), run("m2/stopped")):
        assert advised(untouched, without_kubelet(2))["m2", "kubelet"].startswith("on m2: journalctl")


def test_the_member_that_a_run_brings_is_not_to_be_removed_by_hand() -> None:
    strange = (*listed(ALL), *listed([master(9)], learners=(1,)))
    said = EtcdSeen(1, 1, "3.6.16", 1, False, (), strange)
    found = advised(run("m1/cordon", leaving=()), {"m1": healthy(M1, ALL, etcd=said)})
    assert found["", "members"] == f"{RESUME}, {BACK}"


def test_of_a_cluster_that_ends_nothing_is_to_be_mended() -> None:
    everything: dict[str, Any] = {
        machine.name: healthy(machine, ALL, api="not ready" if machine.is_master else None) for machine in ALL
    }
    _, components = judged(ALL, everything, None)
    found = hints(in_view_of(run("m2/file", leaving=[machine.name for machine in ALL]), components))
    assert set(found.values()) == {f"{RESUME}, {BACK}"}
    assert ("", "api") in found


def test_what_no_run_does_is_advised_as_ever() -> None:
    facts = healthy(M2, ALL).facts.model_copy(update={"clock_offset": 90.0})
    assert advised(run("m2/file"), {"m2": healthy(M2, ALL, facts=facts)})["m2", "clock"].startswith("set both by NTP")


class Dark(dict[str, Any]):
    """Machines of which none answers."""

    def __missing__(self, name: str) -> Any:
        raise HostUnreachable(f"{name} can't be reached", host=name)


def test_status_looks_at_the_journal_of_the_state_file(opened: Opened) -> None:
    with opened() as hold:
        run("m2/file", leaving=[machine.name for machine in MACHINES], store=hold.state)
        found = hints([*Standing(cast(Any, Dark())).look(hold).components])
    assert found["", "api"] == f"{RESUME}, {BACK}"
