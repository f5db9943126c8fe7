"""The plan of one master, walked on a model of its host: to its end, twice, back, and cut at any change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klusterkit.engine.errors import PermanentError
from klusterkit.plans.reference import MACHINE
from klusterkit.tasks.gates import Gate
from klusterkit.tasks.preflight import MARK
from tests.unit.plans.host_model import HostModel, alone
from tests.unit.plans.supplies import context, reference_plan
from tests.unit.plans.walking import Walk, changes, state_of

HOST = MACHINE.name
cuts = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
moments = st.sampled_from(["before", "middle", "after"])
places = st.floats(0, 1, exclude_min=True)


def walk(host: HostModel, folder: Path) -> Walk:
    return Walk(reference_plan(), host.cluster, folder)


def proved(host: HostModel) -> bool:
    return host.objects()[f"node/{host.node}"].get("proved", False)


@pytest.fixture(scope="module")
def total(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls change the host on the whole way."""
    host = alone()
    walk(host, tmp_path_factory.mktemp("artifacts")).forward()
    return changes(host)


def test_it_ends_with_an_api_that_was_proved(tmp_path: Path) -> None:
    host = alone()
    changed = walk(host, tmp_path).forward()
    assert host.api
    assert proved(host)
    unchanged = [task for task in reference_plan().tasks if task.id not in changed]
    assert all(isinstance(task.step, Gate) for task in unchanged)  # open already: a model's programs take no time


def test_walked_again_it_has_nothing_to_do(tmp_path: Path) -> None:
    host = alone()
    walk(host, tmp_path).forward()
    assert walk(host, tmp_path).forward() == []


def test_walked_back_the_host_is_as_it_was(tmp_path: Path) -> None:
    host = alone()
    before, run = state_of(host), walk(host, tmp_path)
    run.forward()
    assert state_of(host) != before
    run.back()
    assert state_of(host) == before


def test_nothing_is_changed_by_looking(tmp_path: Path) -> None:
    host = alone()
    before = state_of(host)
    plan = reference_plan()
    for name in plan.order:
        step, on = plan.by_id[name].step, context(host, name, tmp_path)
        assert not step.observe(on).satisfied, f"{name} on a bare host"
        assert step.differences(on, step.observe(on))
    assert state_of(host) == before


@cuts
@given(where=places, moment=moments)
def test_cut_anywhere_it_can_be_finished(tmp_path: Path, total: int, where: float, moment: Any) -> None:
    host = alone()
    run = walk(host, tmp_path)
    run.cut(HOST, moment, max(1, round(where * total)))
    run.forward(attempt=2)
    assert run.forward(attempt=3) == []
    assert proved(host)


@cuts
@given(where=places, moment=moments, plug=st.booleans())
def test_cut_anywhere_it_can_be_taken_back(tmp_path: Path, total: int, where: float, moment: Any, plug: bool) -> None:
    host = alone()
    before, run = state_of(host), walk(host, tmp_path)
    run.cut(HOST, moment, max(1, round(where * total)))
    if plug:
        host.power_cycle()
    run.back()
    assert state_of(host)[0] == before[0]
    assert set(state_of(host)[1]) <= {*before[1], "ssh.service"}


def test_a_host_that_is_another_machine_of_a_cluster_is_refused(tmp_path: Path) -> None:
    host = alone()
    host.machine.tree.makedirs("/etc/kubernetes")
    host.machine.tree.write("/etc/kubernetes/admin.conf", "")
    host.machine.tree.makedirs("/var/lib/klusterkit")
    host.machine.tree.write(MARK, "lineage: another\n")
    with pytest.raises(PermanentError, match="already holds a Kubernetes") as caught:
        walk(host, tmp_path).forward()
    assert "admin.conf" in str(caught.value.seen)
