"""Preflight: a host that can't be used is refused with what, what was seen, and what to do."""

from __future__ import annotations

import networkx as nx
import pytest

from klusterkit.engine.errors import PermanentError
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import File
from klusterkit.engine.step import Context
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.plans.reference import (
    CLUSTER,
    FACTS,
    HIGHLY_AVAILABLE,
    MACHINE,
    artifacts,
    create_three_masters_two_workers,
    worker,
)
from klusterkit.plans.reference.machines import join_two_masters_one_worker
from klusterkit.plans.request import CreateRequest, checked_host, refusals, requirements
from klusterkit.session.connect import QUESTION
from klusterkit.tasks.asked import FOREIGN_PATHS, FOREIGN_UNITS, PATHS, UNITS
from klusterkit.tasks.preflight import (
    MARK,
    Preflight,
    Refusal,
    Requirements,
    check,
)

GIB = 1 << 30
REQUEST = CreateRequest(
    cluster=CLUSTER,
    machines=(MACHINE,),
    facts={MACHINE.name: FACTS},
    artifacts=artifacts(CLUSTER),
    lineage="l",
    serial=1,
)
WANTED = requirements(REQUEST, MACHINE)


def refused(**facts: object) -> list[Refusal]:
    return check(FACTS.model_copy(update=facts), WANTED)


def test_a_fit_host_is_not_refused() -> None:
    assert check(FACTS, WANTED) == []


@pytest.mark.parametrize(
    ("facts", "what", "seen"),
    [
        ({"init": "runit"}, "systemd", "runit"),
        ({"programs": ("iptables",)}, "programs are missing", "tar"),
        (
            {"programs": tuple(name for name in FACTS.programs if name not in ("iptables", "nft"))},
            "packet filter",
            "nft",
        ),
        ({"kernel_features": ("overlay", "br_netfilter", "nf_tables")}, "kernel lacks", "vxlan"),
        ({"listening": (22, 6443)}, "port 6443, that of the API server, is taken", "6443"),
        ({"listening": (22, 2379)}, "port 2379", "2379"),
        ({"listening": (10250,)}, "port 10250", "10250"),
        ({"swap": 2 * GIB}, "swap is on", "2.0 GiB"),
        ({"memory": GIB}, "too little memory", "1.0 GiB"),
        ({"disk_free": GIB}, "too little room", "1.0 GiB"),
        ({"clock_offset": 600.0}, "clock", "600 s ahead"),
        ({"clock_offset": -600.0}, "clock", "600 s behind"),
        (
            {"interfaces": {"eth0": ("192.168.3.4/24",)}},
            "pod network 192.168.0.0/16 holds the host's own address",
            "192.168.3.4",
        ),
        ({"interfaces": {"eth0": ("10.0.0.5/24",), "eth1": ("192.168.0.9/8",)}}, "pod network", "192.168.0.9"),
        ({"interfaces": {"eth0": ("192.169.1.9/16",)}}, "service network 192.169.0.0/24 overlaps", "192.169.1.9"),
        *(({"services": (unit,)}, "already runs", unit) for unit in FOREIGN_UNITS),
        *(({"paths": (path,)}, "already holds a Kubernetes", path) for path in FOREIGN_PATHS),
    ],
)
def test_an_unfit_host_is_refused_in_words(facts: dict[str, object], what: str, seen: str) -> None:
    reasons = refused(**facts)
    assert any(what in reason.what and seen in reason.seen for reason in reasons), reasons
    assert all(reason.hint for reason in reasons)


def test_all_reasons_are_told_at_once() -> None:
    assert len(refused(init="runit", swap=GIB, listening=(6443,), clock_offset=100.0)) == 4


def test_one_processor_is_a_warning() -> None:
    (reason,) = refused(cpus=1)
    assert not reason.fatal


def test_a_clock_that_is_nearly_right_will_do() -> None:
    assert refused(clock_offset=59.0) == []


def test_a_worker_needs_no_free_port_for_etcd() -> None:
    wanted = WANTED.model_copy(update={"control_plane": False})
    assert check(FACTS.model_copy(update={"listening": (2379, 6443)}), wanted) == []


def test_whatever_is_judged_is_asked_for() -> None:
    """A unit or path that nobody asks a host about would never be seen."""
    assert set(FOREIGN_UNITS) <= set(UNITS)
    assert set(FOREIGN_PATHS) <= set(PATHS)


def of_request(**facts: object) -> list[tuple[str, Refusal]]:
    found: dict[str, Facts] = {MACHINE.name: FACTS.model_copy(update=facts)}
    return [(machine.name, each) for machine, each in refusals(REQUEST.model_copy(update={"facts": found}))]


def test_refusals_name_the_machine() -> None:
    assert [(name, refusal.what) for name, refusal in of_request(swap=GIB)] == [(MACHINE.name, "swap is on")]


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_host_of_any_architecture_that_components_are_published_for_will_do(architecture: str) -> None:
    assert of_request(architecture=architecture) == []


def test_a_host_of_another_architecture_is_refused() -> None:
    ((_, refusal),) = of_request(architecture="riscv64")
    assert refusal.fatal
    assert "architecture" in refusal.what
    assert "riscv64; there are amd64, arm64" in refusal.seen


@pytest.mark.parametrize("name", ["my_host", "x" * 60, "(none)", "", "node.-a", "a..b"])
def test_a_host_whose_name_cannot_be_a_nodes_is_refused_with_what_renames_it(name: str) -> None:
    ((machine, refusal),) = of_request(hostname=name)
    assert (machine, refusal.fatal) == (MACHINE.name, True)
    assert "the host's name can't be a node's" in refusal.what
    assert repr(name) in refusal.seen
    assert "up to 52 lower-case letters" in refusal.hint
    assert "hostnamectl set-hostname" in refusal.hint


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.localdomain"])
def test_a_host_that_has_only_the_name_that_every_host_has_for_itself_is_refused(name: str) -> None:
    ((_, refusal),) = of_request(hostname=name)
    assert name.lower() in refusal.seen
    assert "hostnamectl set-hostname" in refusal.hint


@pytest.mark.parametrize("name", ["NODE1", "m1.example.com", "x" * 52, "localhost1"])
def test_any_other_name_will_do(name: str) -> None:
    assert of_request(hostname=name) == []


def test_a_name_in_kubernetes_that_was_chosen_stands_for_the_hosts_own() -> None:
    machine = MACHINE.replace(node_name="m1")
    facts = {machine.name: FACTS.model_copy(update={"hostname": "my_host"})}
    assert list(refusals(REQUEST.model_copy(update={"machines": (machine,), "facts": facts}))) == []


def test_a_host_that_is_known_by_an_address_which_it_has_not_itself_is_refused_with_those_that_it_has() -> None:
    ((name, refusal),) = of_request(interfaces={"eth0": ("10.9.0.5/24",), "eth1": ("10.8.0.7/24",)})
    assert (name, refusal.fatal) == (MACHINE.name, True)
    assert f"{MACHINE.address} is not an address of the host" in refusal.what
    assert "10.9.0.5/24, 10.8.0.7/24" in refusal.seen
    assert "--ip" in refusal.hint


@pytest.mark.parametrize(
    ("address", "interfaces"),
    [
        ("10.0.0.5", {"eth0": ("10.9.0.5/24",), "lo": ("10.0.0.5/32",)}),
        ("fd00::5", {"eth0": ("fd00:0:0:0:0:0:0:5/64",)}),
    ],
)
def test_it_does_not_matter_on_which_interface_the_address_is_nor_how_it_is_written(
    address: str, interfaces: dict[str, tuple[str, ...]]
) -> None:
    machine = MACHINE.replace(address=address)
    facts = FACTS.model_copy(update={"interfaces": interfaces})
    request = REQUEST.model_copy(update={"machines": (machine,), "facts": {machine.name: facts}})
    assert checked_host(request, machine)["address"] == []


SHARING = WANTED.model_copy(update={"virtual_address": "10.0.0.100", "interface": "eth0"})


def test_a_host_on_the_virtual_addresss_network_can_share_it() -> None:
    assert check(FACTS, SHARING) == []


@pytest.mark.parametrize(
    ("facts", "what", "seen"),
    [
        ({"services": ("keepalived.service",)}, "already runs keepalived", "keepalived.service"),
        ({"interfaces": {"eth0": ("10.9.0.5/24",), "eth1": ("10.0.0.5/24",)}}, "in no network of", "eth1: 10.0.0.5/24"),
        ({"interfaces": {"eth1": ("10.0.0.5/24",)}}, "in no network of the interface eth0", "eth1"),
        ({"interfaces": {"eth0": ("10.0.0.5/24", "10.0.0.100/32")}}, "has the virtual address", "10.0.0.100/32"),
    ],
)
def test_a_host_that_cannot_share_the_virtual_address_is_refused(
    facts: dict[str, object], what: str, seen: str
) -> None:
    (reason,) = check(FACTS.model_copy(update=facts), SHARING)
    assert what in reason.what
    assert seen in reason.seen
    assert check(FACTS.model_copy(update=facts), WANTED) == []


STRANGER = "52:54:00:00:00:fe"


def test_a_virtual_address_that_somebody_else_answers_for_is_refused_with_who_does() -> None:
    (reason,) = check(FACTS.model_copy(update={"neighbours": {"10.0.0.100": STRANGER}}), SHARING)
    assert reason.fatal
    assert reason.what == "somebody else on the network has the virtual address 10.0.0.100"
    assert reason.seen == f"asked on eth0, {STRANGER} answers for it"
    assert "--vip ADDRESS" in reason.hint


def looked_at(host: SimulatedHost, wanted: Requirements) -> list[str]:
    host.machine.facts = FACTS
    step = Preflight(wanted=wanted, mark="m")
    step.apply(Context(host=host, run="r", task="t"), {})
    return [call.method for call in host.faults.calls]


@pytest.fixture
def taken() -> SimulatedHost:
    """A host in whose network somebody has the virtual address."""
    host = SimulatedHost("m1", question=QUESTION)
    host.machine.neighbours = {"10.0.0.100": STRANGER}
    return host


def test_the_network_is_asked_again_when_the_run_comes_to_the_host(taken: SimulatedHost) -> None:
    with pytest.raises(PermanentError, match="somebody else") as refused:
        looked_at(taken, SHARING.model_copy(update={"unheld": True}))
    assert STRANGER in str(refused.value.seen)


def test_it_is_not_asked_where_a_master_of_ours_may_have_the_address(taken: SimulatedHost) -> None:
    assert looked_at(taken, SHARING) == ["facts"]


def test_it_is_not_asked_by_a_host_that_is_this_machine_already(taken: SimulatedHost) -> None:
    taken.write(File(path=MARK, content=b"m"))
    step = Preflight(wanted=SHARING.model_copy(update={"unheld": True}), mark="m")
    assert step.observe(Context(host=taken, run="r", task="t")).satisfied


def test_all_that_could_hold_the_address_comes_after_the_one_look_that_asks_for_it() -> None:
    """So a run that goes on after its masters have taken the address asks nobody any more."""
    plan = create_three_masters_two_workers()
    looks = {task.id: task.step for task in plan.tasks if isinstance(task.step, Preflight)}
    (asks,) = [name for name, step in looks.items() if step.wanted.unheld]
    graph: nx.DiGraph[str] = nx.DiGraph((need, task.id) for task in plan.tasks for need in task.needs)
    holders = [task.id for task in plan.tasks if task.id.endswith("keepalived/start")]
    assert len(holders) == 3
    assert all(nx.has_path(graph, asks, holder) for holder in holders)


def test_a_master_that_joins_does_not_ask() -> None:
    plan = join_two_masters_one_worker()
    assert not any(task.step.wanted.unheld for task in plan.tasks if isinstance(task.step, Preflight))


def test_a_master_shares_the_address_on_the_interface_with_its_own_unless_another_is_chosen() -> None:
    facts = FACTS.model_copy(update={"interfaces": {"eth0": ("10.9.0.1/24",), "eth1": ("10.0.0.5/24",)}})
    for chosen, interface in ((None, "eth1"), ("eth0", "eth0")):
        machine = MACHINE.replace(interface=chosen)
        request = REQUEST.model_copy(
            update={"cluster": HIGHLY_AVAILABLE, "machines": (machine,), "facts": {machine.name: facts}}
        )
        wanted = requirements(request, machine)
        assert (wanted.virtual_address, wanted.interface) == ("10.0.0.100", interface)


def test_a_worker_shares_no_address() -> None:
    machine = worker("10.0.0.8")
    request = REQUEST.model_copy(update={"cluster": HIGHLY_AVAILABLE, "facts": {machine.name: FACTS}})
    assert requirements(request, machine).virtual_address == ""
