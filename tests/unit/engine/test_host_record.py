"""A host's record: what the first step saw that changed a thing, and in which order it has to be taken back."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.engine.errors import CommandFailed, PermanentError
from klusterkit.engine.host import HOME
from klusterkit.engine.journal import Journal
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import Done, HostRecord, done_by_host
from tests.unit.engine.bench import Bench, Cell, Final, Gate, Inside, plan, task


class Thing(Cell):
    """One that says what it changes."""

    kind: ClassVar[str] = "unit.thing"

    thing: str

    @property
    def subject(self) -> str:
        return self.thing


def thing(name: str, value: str = "new") -> Thing:
    return Thing(thing=name, value=value)


def ended(bench: Bench, made: Plan) -> Journal:
    bench.runner(bench.open(made)).forward()
    return bench.journal()


def all_done(journal: Journal) -> dict[str, list[Done]]:
    return done_by_host(journal.plan, journal.run, journal.states)


def names(journal: Journal, host: str = "h") -> list[str]:
    return [done.task for done in all_done(journal).get(host, [])]


def test_it_holds_what_was_changed_with_what_was_there_before(bench: Bench) -> None:
    bench.cells = {"a": "old", "same": "new"}
    journal = ended(bench, plan(task("a", step=thing("A")), task("same", step=thing("S"))))
    assert all_done(journal) == {"h": [Done(task="a", run="r.0", step=thing("A"), before={"was": "old"})]}


def test_what_is_no_change_of_the_host_that_can_be_undone_is_left_out(bench: Bench) -> None:
    bench.cells["gate"] = "new"
    journal = ended(
        bench,
        plan(
            task("a", step=thing("A")),
            task("gate", step=Gate()),
            task("inside", "a", step=Inside(), undone_by="a"),
            task("elsewhere", step=Cell()),
            task("artifact", step=thing(f"{HOME}/artifacts/1")),
            task("final", step=Final()),
        ),
    )
    assert names(journal) == ["a"]


def test_a_task_that_the_operator_skipped_is_in_it_if_it_had_begun(bench: Bench) -> None:
    bench.on("apply", "a", CommandFailed("broken", host="h"))
    bench.on("observe", "b", CommandFailed("broken", host="h"))
    ended(bench, plan(task("a", step=thing("A")), task("b", step=thing("B"))))
    for name in ("a", "b"):
        bench.decide(name, "skip")
    assert names(bench.journal()) == ["a"]


def test_its_copies_are_those_of_the_round_in_which_it_was_done_at_last(bench: Bench) -> None:
    ended(bench, plan(task("a", step=thing("A"))))
    bench.resumed().back()
    bench.resumed().forward()
    assert [done.run for done in all_done(bench.journal())["h"]] == ["r.1"]


def test_order_holds_through_what_is_not_in_it_and_through_other_hosts(bench: Bench) -> None:
    bench.cells["gate"] = "new"
    journal = ended(
        bench,
        plan(
            task("a", step=thing("A")),
            task("gate", "a", step=Gate()),
            task("far", "gate", host="other", step=thing("F")),
            task("b", "far", "a", step=thing("B")),
            task("c", "b", step=thing("C")),
        ),
    )
    found = all_done(journal)
    assert {done.task: done.needs for done in found["h"]} == {"a": (), "b": ("a",), "c": ("b",)}
    assert {done.task: done.needs for done in found["other"]} == {"far": ()}


def test_of_one_thing_that_several_runs_changed_the_first_saw_how_it_was_and_the_last_left_it() -> None:
    first = Done(task="a", run="r1.0", step=thing("A", "1"), before={"was": None})
    later = Done(task="a", run="r2.0", step=thing("A", "2"), before={"was": "1"})
    stop = Done(task="stop", run="r2.0", step=thing("unit"), before={"was": "running"})
    record = HostRecord().after([first]).after([later, stop])
    assert [(done.before, done.latest) for done in record.done] == [
        (first.before, later.step),
        (stop.before, stop.step),
    ]
    assert record.latest() == {"A": later.step, "unit": stop.step}
    assert record.after([first]).latest()["A"] == first.step
    assert [[done.task for done in run] for run in record.runs()] == [["a"], ["stop"]]


def test_order_holds_through_what_an_earlier_run_has_recorded() -> None:
    def done(task: str, subject: str, *needs: str) -> Done:
        return Done(task=task, run="r2.0", step=thing(subject), before={}, needs=needs)

    known = HostRecord().after([Done(task="old", run="r1.0", step=thing("B"), before={})])
    record = known.after([done("a", "A"), done("b", "B", "a"), done("c", "C", "b")])
    assert {each.task: each.needs for each in record.done} == {"old": (), "a": (), "c": ("a",)}


DONE = st.builds(
    Done,
    task=st.sampled_from(["a", "b/c"]),
    run=st.sampled_from(["r1.0", "r1.1", "r2.0"]),
    step=st.builds(thing, st.sampled_from(["A", "B", "C"]), st.sampled_from(["1", "2"])),
    before=st.sampled_from([{"was": None}, {"was": "old"}]),
    needs=st.sampled_from([(), ("z",)]),
)


@given(st.lists(DONE), st.lists(DONE))
def test_recording_again_after_a_crash_changes_nothing_and_it_comes_back_as_it_was(
    before: list[Done], done: list[Done]
) -> None:
    record = HostRecord().after(before).after(done)
    assert record.after(done) == record
    assert HostRecord.parse(json.loads(json.dumps(record.data())), "h", key=None) == record


@pytest.mark.parametrize(
    "data",
    [
        {"version": 2, "done": []},
        {"version": 1, "done": [{"task": "a"}]},
        {"version": 1, "done": [{"task": "a", "run": "r", "before": {}, "step": {"kind": "of tomorrow"}}]},
    ],
)
def test_a_record_of_another_version_is_refused_with_its_place(data: dict[str, object]) -> None:
    with pytest.raises(PermanentError, match="what was done to m1 can't be read") as caught:
        HostRecord.parse(data, "m1", key=None)
    assert f"{HOME}/record.json" in str(caught.value.hint)
