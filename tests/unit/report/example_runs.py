"""Plans, and runs of them, that the views are shown with."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.console import Console

from klusterkit.engine.errors import ErrorInfo
from klusterkit.engine.executor import Call, Outcome, Verb
from klusterkit.engine.host import JobState
from klusterkit.engine.journal import Journal
from klusterkit.engine.plan import Plan, Retry, Task
from klusterkit.engine.runner import Report, Runner
from klusterkit.engine.step import Observation, Step, Undo
from klusterkit.report.screen import screen


class Make(Step):
    """Makes a thing."""

    kind: ClassVar[str] = "example.make"
    what: str

    @property
    def title(self) -> str:
        return f"make {self.what}"


class Wait(Make):
    """Only looks."""

    kind: ClassVar[str] = "example.wait"
    undoing: ClassVar[Undo] = Undo.NOTHING

    @property
    def title(self) -> str:
        return f"wait for {self.what}"


class Burn(Make):
    """Can't be undone."""

    kind: ClassVar[str] = "example.burn"
    undoing: ClassVar[Undo] = Undo.IRREVERSIBLE

    @property
    def title(self) -> str:
        return f"burn {self.what}"


def task(
    path: str, step: Step, *needs: str, host: str = "m1", cost: float = 1.0, budgets: tuple[str, ...] = ()
) -> Task:
    return Task(
        id=f"{host}/{path}", host=host, step=step, needs=needs, cost=cost, budgets=budgets, retry=Retry(attempts=1)
    )


def plan(*tasks: Task, budgets: Mapping[str, int] | None = None) -> Plan:
    return Plan(
        operation="create machine --ip m1 --role master",
        lineage="l",
        serial=1,
        tasks=tasks,
        budgets=dict(budgets or {}),
    ).checked()


SMALL = plan(
    task("preflight", Wait(what="the host"), cost=0.5),
    task("etcd/unit", Make(what="the unit"), "m1/preflight", cost=0.5),
    task("etcd/start", Make(what="etcd"), "m1/etcd/unit", cost=19.0),
)


class Hosts:
    """An executor whose hosts do as they are told, but for the tasks that fail."""

    def __init__(self, failing: Mapping[str, ErrorInfo] | None = None) -> None:
        self.failing = dict(failing or {})

    def cancel(self) -> None:
        """Nothing only waits here."""

    def perform(self, calls: Sequence[Call]) -> list[Outcome]:
        return [self._one(call) for call in calls]

    def _one(self, call: Call) -> Outcome:
        if call.verb is Verb.OBSERVE:
            return Outcome(observation=Observation(satisfied=False, before={"there": False}))
        if call.verb is Verb.PROBE:
            return Outcome(observation=Observation(satisfied=False), job=JobState(status="none"))
        return Outcome(error=self.failing.get(call.task))


class Records:
    """A journal's store in memory."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []

    def append(self, *records: Mapping[str, Any]) -> None:
        self.records.extend(records)


def begun(plan: Plan) -> Journal:
    return Journal.open(Records(), plan, run="r1", who="root@here")


def run(plan: Plan, failing: Mapping[str, ErrorInfo] | None = None) -> Report:
    return Runner(begun(plan), Hosts(failing)).forward()


def paper(width: int = 80) -> Console:
    """A console whose text can be read: ``said(paper)``."""
    console = screen(io.StringIO())
    console.width = width
    return console


def said(console: Console) -> str:
    file: Any = console.file
    return str(file._file.getvalue())
