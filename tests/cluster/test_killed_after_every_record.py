"""One creation in which cctl is killed right after every single write of its journal, and resumed each time."""

from __future__ import annotations

import time

import pytest

from tests.support.operator import Operator, nodes_ready

pytestmark = [pytest.mark.cluster, pytest.mark.sweep]


def test_killed_after_every_record_up_to_a_ready_node(operator: Operator) -> None:
    operator.prepare()
    start, kills = time.monotonic(), 0
    command = ["create", "machine", "--ip", operator.lab.address("m1"), "--role", "master", "--yes"]
    ended = operator(*command, rc=None, crash_after=1)
    while ended.rc == -9:
        kills += 1
        assert kills < 1000
        assert '"record":"ask"' not in operator.state.read_text(), "nothing here needs a person"
        ended = operator("resume", rc=None, crash_after=1)

    assert ended.rc == 0, ended.err
    assert kills > 50
    assert len(nodes_ready(operator)) == 1
    print(f"killed {kills} times, {time.monotonic() - start:.0f} s in all")
