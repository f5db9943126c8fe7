"""One creation in which cctl is killed right after every single record of its journal, and resumed each time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.operator import Operator, nodes_ready

pytestmark = [pytest.mark.cluster, pytest.mark.sweep]


def test_killed_after_every_record_up_to_a_ready_node(
    operator: Operator, record_property: Callable[[str, object], None]
) -> None:
    operator.prepare()
    kills = 0
    command = ["create", "machine", "--ip", operator.lab.address("m1"), "--role", "master", "--yes"]
    ended = operator(*command, rc=None, crash_after=1)
    while ended.rc == -9:
        kills += 1
        assert kills < 1000
        assert '"record":"ask"' not in operator.state.read_text(), "nothing here needs a person"
        ended = operator("resume", rc=None, crash_after=1)

    assert ended.rc == 0, ended.err
    assert kills >= operator.records_of_last_run() - 1, "each record was one's last"
    assert len(nodes_ready(operator)) == 1
    record_property("figures", f"killed {kills} times")
