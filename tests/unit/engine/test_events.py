"""Views are told what happens, in an order that makes sense, and can neither stop nor break a run."""

from __future__ import annotations

import json

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily
from klusterkit.engine.events import Event
from klusterkit.engine.executor import LocalExecutor
from klusterkit.engine.journal import Direction
from klusterkit.engine.runner import Runner
from tests.support.jsonexecutor import JsonExecutor
from tests.unit.engine.bench import Bench, BenchHost, Short, plan, task


def test_a_run_is_opened_and_finished_with_its_outcome(bench: Bench) -> None:
    bench.runner(bench.open(plan(task("a")))).forward()
    assert bench.happened() == ["run", "finished"]
    assert bench.events[0].event == "run"
    assert (bench.events[-1].event, bench.events[-1].outcome) == ("finished", "done")
    assert {event.run for event in bench.events} == {"r"}


def test_a_task_starts_after_the_end_of_what_it_needs(bench: Bench) -> None:
    bench.runner(bench.open(plan(*(task(f"t{n}", *([f"t{n - 1}"] if n else [])) for n in range(5))))).forward()
    told = [(event.event, event.task) for event in bench.events if event.task]
    assert told == [(event, f"t{n}") for n in range(5) for event in ("started", "done")]


def test_each_event_names_task_host_title_direction_and_attempt(bench: Bench) -> None:
    bench.on("apply", "m1/a", CommandFailedTemporarily("busy"))
    bench.runner(bench.open(plan(task("m1/a", host="m1")))).forward()
    bench.resumed().back()
    told = [event for event in bench.events if event.task]
    assert {(event.host, event.title) for event in told} == {("m1", "unit.cell")}
    assert [(event.event, event.direction, event.attempt) for event in told] == [
        ("started", Direction.FORWARD, 0),
        ("retrying", Direction.FORWARD, 1),
        ("done", Direction.FORWARD, 2),
        ("started", Direction.BACK, 2),
        ("undone", Direction.BACK, 2),
    ]


def test_retrying_tells_the_error_and_the_wait(bench: Bench) -> None:
    bench.on("apply", "a", CommandFailedTemporarily("busy"))
    bench.runner(bench.open(plan(task("a")))).forward()
    (retrying,) = [event for event in bench.events if event.event == "retrying"]
    assert retrying.error is not None
    assert retrying.error.message == "busy"
    assert retrying.wait == 0.001


def test_each_task_is_told_to_start_once_even_if_its_batch_fails(bench: Bench) -> None:
    bench.on("apply", "a", CommandFailed("broken"), CommandFailed("broken"))
    bench.runner(bench.open(plan(task("a", step=Short()), task("b", step=Short())))).forward()
    assert bench.happened("a") == ["started", "failed"]
    assert bench.happened("b") == ["started", "done"]


def test_a_view_that_raises_stops_nothing(bench: Bench) -> None:
    told: list[str] = []

    def broken(event: Event) -> None:
        told.append(event.event)
        raise RuntimeError("no terminal")

    journal = bench.open(plan(task("a"), task("b", "a")))
    executor = JsonExecutor(LocalExecutor(lambda name: BenchHost(bench, name)))  # type: ignore[arg-type, return-value]
    report = Runner(journal, executor, broken).forward()
    assert report.outcome == "done"
    assert told == ["run", "started", "done", "started", "done", "finished"]


def test_a_view_that_raises_loses_no_error(bench: Bench) -> None:
    def broken(_: Event) -> None:
        raise RuntimeError("no terminal")

    bench.on("apply", "a", CommandFailed("broken"))
    journal = bench.open(plan(task("a")))
    executor = JsonExecutor(LocalExecutor(lambda name: BenchHost(bench, name)))  # type: ignore[arg-type, return-value]
    assert Runner(journal, executor, broken).forward().errors["a"].message == "broken"


def test_events_are_plain_data(bench: Bench) -> None:
    bench.on("apply", "a", CommandFailed("broken"))
    bench.runner(bench.open(plan(task("a")))).forward()
    assert [Event.model_validate_json(event.model_dump_json()) for event in bench.events] == bench.events
    assert all(json.loads(event.model_dump_json())["at"] > 1.7e9 for event in bench.events)
