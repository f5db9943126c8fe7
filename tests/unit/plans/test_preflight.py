"""Preflight: a host that can't be used is refused with what, what was seen, and what to do."""

from __future__ import annotations

import pytest

from klusterkit.engine.facts import Facts
from klusterkit.plans.reference import CLUSTER, FACTS, MACHINE, artifacts
from klusterkit.plans.request import CreateRequest, refusals, requirements
from klusterkit.tasks.preflight import FOREIGN_PATHS, FOREIGN_UNITS, PATHS, UNITS, Refusal, check

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
        ({"addresses": ("192.168.3.4/24",)}, "pod network 192.168.0.0/16 holds the host's own address", "192.168.3.4"),
        ({"addresses": ("10.0.0.5/24", "192.168.0.9/8")}, "pod network", "192.168.0.9"),
        ({"addresses": ("192.169.1.9/16",)}, "service network 192.169.0.0/24 overlaps", "192.169.1.9"),
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
