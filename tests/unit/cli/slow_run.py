"""A program for the tests of Ctrl-C: a run of two tasks that take their seconds. Its journal is a file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from klusterkit.cli.execute import execute
from klusterkit.cli.guard import guarded
from klusterkit.cli.options import Common, Output
from klusterkit.engine.executor import Call, Outcome, Verb
from klusterkit.engine.journal import Direction, Journal
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.runner import Runner
from klusterkit.engine.step import Observation, Step


class Slow(Step):
    """Takes its time."""

    kind: ClassVar[str] = "slow"


class Host:
    """Where a step takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def cancel(self) -> None:
        """Nothing only waits here."""

    def perform(self, calls: Sequence[Call]) -> list[Outcome]:
        if calls[0].verb is Verb.OBSERVE:
            return [Outcome(observation=Observation(satisfied=False, before={"there": False})) for _ in calls]
        print("acting", file=sys.stderr, flush=True)
        time.sleep(self.seconds)
        return [Outcome() for _ in calls]


class Store:
    """A file of records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Mapping[str, Any]] = []

    def append(self, *records: Mapping[str, Any]) -> None:
        self.records.extend(records)
        with self.path.open("a") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)


class Session(Runner):
    """A runner that is stopped as a session is, and has nothing more to tell."""

    notices: tuple[str, ...] = ()
    journaled = True


def main(journal: Path, seconds: float, output: Output, looking: float = 0.0) -> int:
    tasks = (
        Task(id="m1/first", host="m1", step=Slow()),
        Task(id="m1/second", host="m1", step=Slow(), needs=("m1/first",)),
    )
    plan = Plan(operation="be slow", lineage="l", serial=1, tasks=tasks)
    runner = Session(Journal.open(Store(journal), plan, run="r", who="me"), Host(seconds), lambda event: told[0](event))
    told: list[Any] = []

    def walk(tell: Any) -> Any:
        print("looking", file=sys.stderr, flush=True)
        time.sleep(looking)
        told.append(tell)
        return runner.forward()

    return execute(Common(output=output), runner, plan, walk, Direction.FORWARD)  # type: ignore[arg-type]


if __name__ == "__main__":
    # The command is all that is made up here: what guards it is what guards the real ones.
    where, how_long, form = Path(sys.argv[1]), float(sys.argv[2]), Output(sys.argv[3])
    looking = float((*sys.argv, 0.0)[4])

    class Called:
        """Stands where a command line stands."""

        name = "slow"

        def __call__(self, **_: object) -> int:
            return main(where, how_long, form, looking)

    sys.exit(guarded(Called(), sys.argv[1:]))  # type: ignore[arg-type]
