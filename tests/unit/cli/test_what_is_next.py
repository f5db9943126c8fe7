"""When a run that was interrupted has come to its end, the command tells what is next."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from klusterkit.cli.cctl import cctl
from klusterkit.cli.etcdadm import etcdadm
from klusterkit.cli.guard import guarded
from klusterkit.cli.tools.options import OnHost
from klusterkit.cluster import Machine
from klusterkit.engine.journal import Journal
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.runner import Report
from klusterkit.session import Session
from klusterkit.tasks.files import Directory
from tests.unit.engine.bench import MemoryStore

MADE = {"machines": [Machine.of(name="m1", address="10.0.0.5", roles="master").to_object()]}
NEXT = "next: cctl --state s.yaml kubeconfig --out admin.conf"


class Interrupted:
    """A session with a run in progress, which ends so when it is gone on with."""

    journaled = True
    stop = stop_now = None

    def __init__(self, plan: Plan, outcome: Any) -> None:
        self.notices: list[str] = []
        self.run = Journal.open(MemoryStore(), plan, run="r", who="somebody")
        self._outcome = outcome

    def hosts_of_run(self, named: Any) -> frozenset[str]:
        return frozenset(named)

    def resume(self, *_: Any) -> Report:
        return Report(outcome=self._outcome, states=dict(self.run.states))


def resumed(monkeypatch: pytest.MonkeyPatch, program: Any, made: dict[str, Any], outcome: str = "done") -> None:
    task = Task(id="m1/a", host="m1", step=Directory(path="/a"))
    plan = Plan(operation="grow", lineage="l", serial=1, tasks=(task,), outcome=made)

    @contextmanager
    def interrupted(*_: Any, **__: Any) -> Generator[Interrupted]:
        yield Interrupted(plan, outcome)

    monkeypatch.setattr(Session, "open", interrupted)
    monkeypatch.setattr(OnHost, "session", interrupted)
    guarded(program(), ["resume", "--state", "s.yaml"])


def test_a_run_that_has_made_machines_is_followed_by_how_to_reach_the_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resumed(monkeypatch, cctl, MADE)
    assert NEXT in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "made", "outcome"),
    [(cctl, MADE, "failed"), (cctl, MADE, "stopped"), (cctl, {}, "done"), (etcdadm, MADE, "done")],
    ids=["failed", "stopped", "no machines", "a tool without kubeconfigs"],
)
def test_nothing_is_next_where_there_is_no_cluster_to_reach_or_no_command_for_it(
    program: Any,
    made: dict[str, Any],
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    resumed(monkeypatch, program, made, outcome)
    said = capsys.readouterr()
    assert {"done": "Done in", "failed": "Failed", "stopped": "Stopped"}[outcome] in said.out
    assert "next:" not in said.err
