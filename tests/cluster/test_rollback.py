"""A creation that is interrupted anywhere can be taken back, and the host is as it was; or it can be finished."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.leaks import kept_in_state, leaks, with_private_keys, written_and_shown
from tests.cluster.machines import as_it_is
from tests.support.operator import Operator, nodes_ready

pytestmark = pytest.mark.cluster

SET_ASIDE = "/var/lib/klusterkit/set-aside/"
"""Data that KlusterKit never removes, such as etcd's."""


def create(operator: Operator) -> list[str]:
    return ["create", "machine", "--ip", operator.lab.address("m1"), "--role", "master", "--yes"]


@contextmanager
def under_way(operator: Operator, *command: str, records: int) -> Iterator[subprocess.Popen[str]]:
    """A run that has written so many records more."""
    wanted = operator.records() + records
    running = operator.start(*command)
    try:
        while running.poll() is None and operator.records() < wanted:
            time.sleep(0.05)
        assert running.poll() is None, running.communicate()
        yield running
    finally:
        running.kill()
        running.communicate()


def kill(operator: Operator, *command: str, records: int) -> None:
    """Some time after so many records, in the middle of whatever is done then."""
    more = random.Random(time.time_ns()).uniform(0.0, 0.5)
    print(f"{command[0]} is killed {more:.2f} s after {records} records")
    with under_way(operator, *command, records=records):
        time.sleep(more)


@contextmanager
def as_before(operator: Operator) -> Iterator[None]:
    """What is done in this block leaves the host as it was, no machine, and no secret where it doesn't belong."""
    operator.prepare()
    before, keys = as_it_is(operator.lab, "m1"), with_private_keys(operator.lab, "m1")
    yield
    assert as_it_is(operator.lab, "m1") ^ before == set()
    # In KlusterKit's own folder, too, which isn't compared.
    left = with_private_keys(operator.lab, "m1") - keys
    assert [path for path in left if not path.startswith(SET_ASIDE)] == []
    assert operator("get", "machine", "-o", "name").out.strip() == ""
    assert leaks(kept_in_state(operator), written_and_shown(operator)) == []


@pytest.mark.parametrize("third", [0, 1, 2])
def test_killed_at_a_random_moment_of_each_third_and_of_the_way_back_it_is_taken_back(
    operator: Operator, cluster: Operator, third: int
) -> None:
    records = cluster.records_of_creation
    moment = random.Random(time.time_ns()).randrange(third * records // 3 + 3, (third + 1) * records // 3 - 5)
    with as_before(operator):
        kill(operator, *create(operator), records=moment)
        kill(operator, "rollback", "--yes", "--debug", records=2)
        operator("rollback", "--yes", "--debug")


def test_killed_when_the_cluster_was_complete_and_rolled_back(operator: Operator, cluster: Operator) -> None:
    with as_before(operator):
        operator(*create(operator), rc=-9, crash_after=cluster.records_of_creation - 1)
        operator("rollback", "--yes", "--debug")


def test_a_cut_link_and_a_pulled_plug_stop_an_impatient_run_and_a_patient_one_waits(operator: Operator) -> None:
    operator.prepare()

    with under_way(operator, *create(operator), "--patience", "5", records=40) as running:
        operator.lab("link", "m1", "down")
        out, _ = running.communicate(timeout=120)
    assert running.returncode == 6, out
    assert "cctl resume" in out
    operator.lab("link", "m1", "up")
    with under_way(operator, "resume", "--patience", "5", records=40) as running:
        operator.lab("power-off", "m1")
        out, _ = running.communicate(timeout=120)
    assert running.returncode == 6, out
    assert operator("resume", "--patience", "5", rc=None).rc in (5, 6), "it is still off"
    operator.lab("power-on", "m1")
    with under_way(operator, "resume", records=40) as running:
        operator.lab("link", "m1", "down")
        time.sleep(60)
        assert running.poll() is None, "it waits"
        operator.lab("link", "m1", "up")
        out, _ = running.communicate(timeout=600)

    assert running.returncode == 0, out
    assert len(nodes_ready(operator)) == 1
