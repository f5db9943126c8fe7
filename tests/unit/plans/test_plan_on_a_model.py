"""The plan of one master, walked on a model of its host: to its end, twice, back, and cut at any change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klusterkit.engine.errors import PermanentError
from klusterkit.engine.host import Entry
from klusterkit.engine.step import Undo
from klusterkit.hosts.simulated import SimulatedCrash
from klusterkit.tasks.gates import Gate
from klusterkit.tasks.preflight import MARK
from tests.unit.plans.cluster_model import ClusterModel, context, reference_plan

Before = dict[str, dict[str, Any]]
cuts = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def forward(model: ClusterModel, folder: Path, begun: Before, attempt: int = 1) -> list[str]:
    """Walk in the plan's order, as the runner does; returns the tasks that had something to do."""
    plan, changed = reference_plan(), []
    for name in plan.order:
        step = plan.by_id[name].step
        on = context(model, name, folder, attempt=attempt)
        seen = step.observe(on)
        if seen.satisfied:
            continue
        begun.setdefault(name, json.loads(json.dumps(seen.before)))
        step.apply_many([step], [on], [begun[name]])
        changed.append(name)
    return changed


def back(model: ClusterModel, folder: Path, begun: Before, attempt: int = 1) -> None:
    """Walk back what was begun. After each undo its step has to see what it saw before."""
    plan = reference_plan()
    for name in reversed(plan.order):
        step = plan.by_id[name].step
        if name in begun and step.undoing is Undo.EXACT:
            on = context(model, name, folder, attempt=attempt, undoing=True)
            step.undo(on, begun[name])
            assert json.loads(json.dumps(step.observe(on).before)) == begun[name], name


def state_of(model: ClusterModel) -> tuple[list[Entry], tuple[str, ...]]:
    """All that lasts: files but KlusterKit's own and those that no boot survives, and what runs."""
    files = [entry for entry in model.machine.listing() if not entry.path.startswith("/run")]
    return files, model.machine.systemd.active


def changes(model: ClusterModel) -> int:
    return model.host.faults.mutations


@pytest.fixture(scope="module")
def total(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls change the host on the whole way."""
    model = ClusterModel()
    forward(model, tmp_path_factory.mktemp("artifacts"), {})
    return changes(model)


def test_it_ends_with_an_api_that_was_proved(tmp_path: Path) -> None:
    model = ClusterModel()
    changed = forward(model, tmp_path, {})
    assert model.api
    assert "proved" in model.objects()
    unchanged = [task for task in reference_plan().tasks if task.id not in changed]
    assert all(isinstance(task.step, Gate) for task in unchanged)  # open already: a model's programs take no time


def test_walked_again_it_has_nothing_to_do(tmp_path: Path) -> None:
    model = ClusterModel()
    forward(model, tmp_path, {})
    assert forward(model, tmp_path, {}) == []


def test_walked_back_the_host_is_as_it_was(tmp_path: Path) -> None:
    model = ClusterModel()
    before, begun = state_of(model), {}
    forward(model, tmp_path, begun)
    assert state_of(model) != before
    back(model, tmp_path, begun)
    assert state_of(model) == before


def test_nothing_is_changed_by_looking(tmp_path: Path) -> None:
    model = ClusterModel()
    before = state_of(model)
    plan = reference_plan()
    for name in plan.order:
        step, on = plan.by_id[name].step, context(model, name, tmp_path)
        assert not step.observe(on).satisfied, f"{name} on a bare host"
        assert step.differences(on, step.observe(on))
    assert state_of(model) == before


@cuts
@given(where=st.floats(0, 1, exclude_min=True), moment=st.sampled_from(["before", "middle", "after"]))
def test_cut_anywhere_it_can_be_finished(tmp_path: Path, total: int, where: float, moment: Any) -> None:
    model, begun = ClusterModel(), {}
    _cut(model, tmp_path, begun, moment, max(1, round(where * total)))
    forward(model, tmp_path, begun, attempt=2)
    assert forward(model, tmp_path, begun, attempt=3) == []
    assert "proved" in model.objects()


@cuts
@given(
    where=st.floats(0, 1, exclude_min=True),
    moment=st.sampled_from(["before", "middle", "after"]),
    plug=st.booleans(),
)
def test_cut_anywhere_it_can_be_taken_back(tmp_path: Path, total: int, where: float, moment: Any, plug: bool) -> None:
    model, begun = ClusterModel(), {}
    before = state_of(model)
    _cut(model, tmp_path, begun, moment, max(1, round(where * total)))
    if plug:
        model.power_cycle()
    back(model, tmp_path, begun)
    assert state_of(model)[0] == before[0]
    assert set(state_of(model)[1]) <= {*before[1], "ssh.service"}


def _cut(model: ClusterModel, folder: Path, begun: Before, moment: Any, change: int) -> None:
    model.host.faults.crash(moment, change)
    with pytest.raises(SimulatedCrash):
        forward(model, folder, begun)


def test_a_host_that_is_another_machine_of_a_cluster_is_refused(tmp_path: Path) -> None:
    model = ClusterModel()
    model.machine.tree.makedirs("/etc/kubernetes")
    model.machine.tree.write("/etc/kubernetes/admin.conf", "")
    model.machine.tree.makedirs("/var/lib/klusterkit")
    model.machine.tree.write(MARK, "lineage: another\n")
    with pytest.raises(PermanentError, match="already holds a Kubernetes") as caught:
        forward(model, tmp_path, {})
    assert "admin.conf" in str(caught.value.seen)
