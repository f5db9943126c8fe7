"""What is remembered of runs that have ended."""

from __future__ import annotations

import pytest

from klusterkit.engine.journal import Direction, Journal, Record
from klusterkit.engine.plan import Plan, Task
from klusterkit.session.running.briefs import brief_of, told
from klusterkit.tasks.files import Directory
from tests.unit.engine.bench import MemoryStore

PLAN = Plan(
    operation="grow",
    lineage="l",
    serial=1,
    tasks=(
        Task(id="m1/a", host="m1", step=Directory(path="/a")),
        Task(id="m1/b", host="m1", step=Directory(path="/b"), needs=("m1/a",)),
    ),
)


def test_what_each_task_took_is_remembered_with_those_that_only_looked() -> None:
    journal = Journal.open(MemoryStore(), PLAN, run="r", who="somebody")
    at = journal.began
    journal.write(
        Record(record="begin", at=at + 2, since=at + 1, task="m1/a", attempt=1, before={}),
        Record(record="end", at=at + 4, task="m1/a"),
        Record(record="end", at=at + 5, since=at + 4.5, task="m1/b", changed=False),
    )

    brief = told(brief_of(journal, "done"))

    assert brief["timing"] == {"m1/a": pytest.approx([1, 4]), "m1/b": pytest.approx([4.5, 5])}
    assert list(brief["path"]) == ["m1/a", "m1/b"]


def test_a_run_that_was_taken_back_leaves_no_times_of_tasks() -> None:
    """Those that the journal has by then are of the undoing, and say nothing of how long doing it takes."""
    journal = Journal.open(MemoryStore(), PLAN, run="r", who="somebody")
    at = journal.began
    journal.write(
        Record(record="begin", at=at + 1, task="m1/a", attempt=1, before={}),
        Record(record="end", at=at + 3, task="m1/a"),
        Record(record="end", at=at + 4, task="m1/b", changed=False),
        Record(record="begin", at=at + 5, task="m1/a", attempt=1, direction=Direction.BACK),
        Record(record="end", at=at + 9, task="m1/a", direction=Direction.BACK),
    )

    brief = told(brief_of(journal, "undone"))

    assert brief["outcome"] == "undone"
    assert brief["timing"] == {}
    assert list(brief["path"]) == []


def test_one_without_times_has_none() -> None:
    assert told({"name": "r"}) == {"name": "r"}
