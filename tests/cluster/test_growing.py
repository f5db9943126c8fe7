"""A cluster grows by one master at a time from one to five, and shrinks back to three; workers come in between."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.cluster.agreement import in_order
from tests.cluster.machines import Machines
from tests.support.lab import Lab

pytestmark = [pytest.mark.cluster, pytest.mark.sweep]

HOSTS = ("g1", "g2", "g3", "g4", "g5", "wg1", "wg2")

COMING = (("g1",), ("g2",), ("wg1", "g3"), ("g4",), ("g5", "wg2"))
"""Plans, each with one master; workers before and behind it."""
LEAVING = ("g1", "g4")
"""The first master of all, and a later one."""


def test_from_one_master_to_five_and_back_to_three(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, record_property: Callable[[str, object], None]
) -> None:
    machines = Machines.prepared(lab, tmp_path_factory.mktemp("growing"), HOSTS, 201)
    there: list[str] = []
    figures: list[str] = []
    try:
        for hosts in COMING:
            began = time.monotonic()
            machines.create(*hosts)
            figures.append(f"+ {' '.join(hosts)} {time.monotonic() - began:.0f} s")
            there += hosts
            in_order(machines, *there)
        for host in LEAVING:
            began = time.monotonic()
            machines.delete(host)
            figures.append(f"- {host} {time.monotonic() - began:.0f} s")
            there.remove(host)
            in_order(machines, *there)
            assert machines.is_bare(host)
    finally:
        lab("down", *HOSTS)
    record_property("figures", ", ".join(figures))
