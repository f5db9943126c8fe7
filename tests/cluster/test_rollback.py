"""A creation that is interrupted anywhere can be taken back: the host is as it was, byte for byte."""

from __future__ import annotations

import random
import time

import pytest

from tests.support.operator import Operator, nodes_ready

pytestmark = pytest.mark.cluster


def create(operator: Operator) -> list[str]:
    return ["create", "machine", "--ip", operator.lab.address("m1"), "--role", "master", "--yes"]


def killed_and_rolled_back(operator: Operator, moment: int) -> None:
    operator.prepare()
    before = operator.lab.digest("m1")
    print(f"killed after {moment} records")

    operator(*create(operator), rc=-9, crash_after=moment)
    operator("rollback", "--yes")

    assert operator.lab.digest("m1") ^ before == set()
    assert operator("get", "machine", "-o", "name").out.strip() == ""


@pytest.mark.parametrize("third", [0, 1, 2])
def test_killed_at_a_random_moment_of_each_third_and_rolled_back(
    operator: Operator, cluster: Operator, third: int
) -> None:
    records = cluster.records_of_creation

    killed_and_rolled_back(
        operator, random.Random(time.time_ns()).randrange(third * records // 3 + 3, (third + 1) * records // 3)
    )


def test_killed_when_the_cluster_was_complete_and_rolled_back(operator: Operator, cluster: Operator) -> None:
    killed_and_rolled_back(operator, cluster.records_of_creation - 1)


def test_the_host_is_switched_off_in_the_middle_and_resume_finishes(operator: Operator) -> None:
    operator.prepare()

    operator(*create(operator), rc=-9, crash_after=60)
    operator.lab("power-off", "m1")
    assert operator("resume", "--patience", "5", rc=None).rc in (5, 6)
    operator.lab("power-on", "m1")
    operator("resume")

    assert len(nodes_ready(operator)) == 1


def test_the_link_is_cut_for_a_minute_and_the_run_waits(operator: Operator) -> None:
    operator.prepare()
    running = operator.start(*create(operator))
    try:
        while running.poll() is None and operator.records() < 40:
            time.sleep(0.05)
        operator.lab("link", "m1", "down")
        time.sleep(60)
        assert running.poll() is None, "it waits"
        operator.lab("link", "m1", "up")
        out, _ = running.communicate(timeout=600)
    finally:
        running.kill()

    assert running.returncode == 0, out
    assert len(nodes_ready(operator)) == 1
