"""What is told of a run that has ended."""

from __future__ import annotations

from typing import Any

from example_runs import paper, said
from rich.console import RenderableType

from klusterkit.report.history import critical_path

BRIEF: dict[str, Any] = {
    "name": "r1",
    "began": 100.0,
    "ended": 112.0,
    "timing": {"m1/a": [0.0, 4.0], "m1/b": [5.0, 11.0], "m1/c": [0.0, 1.0]},
    "path": ["m1/a", "m1/b"],
}


def words(view: RenderableType) -> list[list[str]]:
    console = paper()
    console.print(view)
    return [line.split() for line in said(console).splitlines() if line.strip()]


def test_the_critical_path_tells_what_each_of_its_tasks_took_and_waited() -> None:
    head, _, *rows = words(critical_path(BRIEF))

    assert " ".join(head) == "Critical path: 2 tasks, 10 s; the run took 1.20 times that"
    assert rows == [
        ["0.0", "s", "4.0", "s", "+", "0.0", "s", "m1/a"],
        ["1.0", "s", "6.0", "s", "+", "5.0", "s", "m1/b"],
    ]


def test_a_run_without_one_has_nothing_told_of_it() -> None:
    older = {key: value for key, value in BRIEF.items() if key != "path"}

    assert words(critical_path(older)) == words(critical_path(BRIEF | {"path": []})) == []
