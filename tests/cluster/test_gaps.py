"""Three masters and two workers in one plan; how long a writer waits there while something fails or leaves in order.

Measured and told, as ``ok`` or ``short``: a machine that others use too may be slow for reasons of its own. What takes
several times as long as it may has other reasons, and fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.agreement import in_order
from tests.cluster.machines import Machines
from tests.cluster.written import until, written
from tests.support.lab import Lab
from tests.support.writers import PATIENCE_WITH_LOSS

pytestmark = [pytest.mark.cluster, pytest.mark.sweep]

MASTERS = ("s1", "s2", "s3")
HOSTS = ("ws1", "s1", "s2", "ws2", "s3")
"""In the order in which the plan has them."""
TIMES = 3
BEYOND = 4
"""Times as long as wanted."""

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def three(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    made = Machines.prepared(lab, tmp_path_factory.mktemp("gaps"), HOSTS, 202)
    made.create(*HOSTS)
    yield made
    lab("down", *HOSTS)


def told(gaps: list[float], wanted: float | None = None) -> str:
    assert max(gaps) <= BEYOND * (wanted or 5)
    each = ", ".join(f"{gap:.2f}" for gap in gaps)
    judged = f", at most {wanted:g} wanted: {'ok' if max(gaps) <= wanted else 'short'}" if wanted else ""
    return f"longest gaps: {each} s{judged}"


def test_three_masters_and_two_workers_come_in_one_plan(three: Machines) -> None:
    in_order(three, *HOSTS)


def test_the_master_that_has_the_address_and_leads_etcd_is_switched_off(
    three: Machines, record_property: Record
) -> None:
    gaps: list[float] = []
    for _ in range(TIMES):
        holder = three.weightiest(MASTERS)
        with written(three) as writers:
            with writers.measured() as gap:
                three.lab("power-off", holder)
            three.lab("power-on", holder)
            three.well()
        gaps += gap
    record_property("figures", told(gaps, 3))


def test_the_master_that_has_the_address_and_leads_etcd_is_shut_down(three: Machines, record_property: Record) -> None:
    gaps: list[float] = []
    for _ in range(TIMES):
        holder = three.weightiest(MASTERS)
        with written(three) as writers:
            with writers.measured() as gap:
                shut_down(three, holder)
            three.lab("power-on", holder)
            three.well()
        gaps += gap
    record_property("figures", told(gaps, 1))


def shut_down(machines: Machines, host: str) -> None:
    """In order, and wait for it."""
    machines.on(host, "systemd-run --quiet --no-block systemctl poweroff")
    until(lambda: any(line.split()[:3:2] == [host, "off"] for line in machines.lab("list").splitlines()), 300)


def test_keepalived_is_restarted_on_the_master_that_has_the_address(three: Machines, record_property: Record) -> None:
    gaps: list[float] = []
    for _ in range(TIMES):
        with written(three) as writers:
            with writers.measured() as gap:
                three.on(three.holder(MASTERS), "systemctl restart keepalived")
            three.well()
        gaps += gap
    record_property("figures", told(gaps, 1))


def test_the_leaders_etcd_is_killed(three: Machines, record_property: Record) -> None:
    gaps: list[float] = []
    for _ in range(TIMES):
        with written(three) as writers:
            with writers.measured() as gap:
                three.on(three.leader(MASTERS[0]), "systemctl kill --signal=KILL etcd")
            three.well()
        gaps += gap
    record_property("figures", told(gaps))


def test_the_link_of_the_master_with_the_address_loses_a_fifth_of_all_packets(
    three: Machines, record_property: Record
) -> None:
    holder = three.holder(MASTERS)
    with written(three, PATIENCE_WITH_LOSS) as writers:
        try:
            with writers.measured() as gap:
                three.lab("link", holder, "loss", "20%")
                writers.go_on(100, within=600)
        finally:
            three.lab("link", holder, "loss", "0%")
    record_property("figures", told(gap))


def test_the_master_that_has_the_address_and_leads_etcd_leaves_in_order_and_comes_back(
    three: Machines, record_property: Record
) -> None:
    left: list[float] = []
    came: list[float] = []
    for _ in range(TIMES):
        holder = three.weightiest(MASTERS)
        with written(three) as writers:
            with writers.measured() as gap:
                three.delete(holder)
            left += gap
            with writers.measured() as gap:
                three.create(holder)
            came += gap
            three.well()
            in_order(three, *HOSTS)
    record_property("figures", f"left: {told(left, 1)}; came: {told(came, 1)}")
