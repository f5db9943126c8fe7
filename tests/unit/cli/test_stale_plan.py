"""A saved plan that has gone stale is refused, and not shown as if it were about to be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from klusterkit.cli.cctl import cctl
from klusterkit.cli.guard import guarded
from klusterkit.engine.plan import Plan, Task
from klusterkit.session import Session
from klusterkit.session.errors import PlanStale
from klusterkit.session.running.plans import save_plan
from klusterkit.state import StateFile, lock
from klusterkit.tasks.files import Directory

SUMMARY = "Plan: grow: 1 task on 1 host"


class Begun(Exception):
    """The run would begin now."""


@pytest.fixture(name="saved")
def _saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Apply a plan for the state as it is; a run that would begin is not begun."""
    path = tmp_path / "state.yaml"
    with lock(path, "test") as held:
        snapshot = StateFile.create(path, None, lock=held).snapshot
    task = Task(id="m1/a", host="m1", step=Directory(path="/a"))
    plan = Plan(operation="grow", lineage=snapshot.lineage, serial=snapshot.serial, tasks=(task,))
    save_plan(plan, tmp_path / "plan.yaml")

    def begin(*_: object) -> None:
        raise Begun

    monkeypatch.setattr(Session, "start", begin)
    return ["apply", str(tmp_path / "plan.yaml"), "--state", str(path)]


def test_it_is_refused_before_its_summary(saved: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "state.yaml"
    with lock(path, "test") as held:
        state = StateFile.load(path, lock=held)
        state.fold(state.snapshot)  # it has moved on
    before = path.read_bytes()

    assert guarded(cctl(), saved) == PlanStale.exit_code
    said = "".join(capsys.readouterr())
    assert "the state has moved on since the plan was made" in said
    assert "Plan:" not in said
    assert path.read_bytes() == before


def test_one_for_another_state_file_is_too(
    saved: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    StateFile.create(tmp_path / "other.yaml", None)
    assert guarded(cctl(), [*saved[:-1], str(tmp_path / "other.yaml")]) == PlanStale.exit_code
    said = "".join(capsys.readouterr())
    assert "made for another state file" in said
    assert "Plan:" not in said


def test_one_for_the_state_as_it_is_is_summed_up_and_begun(
    saved: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Begun):
        cctl()(saved, standalone_mode=False)
    assert SUMMARY in capsys.readouterr().err
