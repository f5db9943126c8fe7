"""A run can be stopped: gently, so that what runs comes to its end, or at once. Either way it can be resumed."""

from __future__ import annotations

import threading

import pytest

from klusterkit.engine.errors import Cancelled, CommandFailedTemporarily
from klusterkit.engine.events import Event
from klusterkit.engine.journal import Status
from klusterkit.engine.plan import Retry
from klusterkit.engine.runner import Report, Runner
from klusterkit.engine.step import Context
from tests.unit.engine.bench import Bench, Gate, Short, plan, task

TEMPORARY = CommandFailedTemporarily("busy", host="h")


class Background:
    """A walk in a thread of its own."""

    def __init__(self, runner: Runner, direction: str = "forward") -> None:
        self.report: Report | None = None
        self.error: OSError | None = None

        def walk() -> None:
            try:
                self.report = getattr(runner, direction)()
            except OSError as error:
                self.error = error

        self.thread = threading.Thread(target=walk)
        self.thread.start()

    def wait(self) -> Report:
        self.thread.join(30)
        assert self.report is not None
        return self.report


class Held:
    """As an act: wait in the middle of a step until the test says so."""

    def __init__(self) -> None:
        self.reached, self.release = threading.Event(), threading.Event()

    def __call__(self, on: Context) -> None:
        self.reached.set()
        assert self.release.wait(30)


def test_stopped_gently_what_runs_ends_and_nothing_more_starts(bench: Bench) -> None:
    held = Held()
    bench.on("apply", "a", held)
    runner = bench.runner(bench.open(plan(task("a"), task("b", "a"), task("c"))), at_once=1)
    walk = Background(runner)
    assert held.reached.wait(30)
    runner.stop()
    held.release.set()
    report = walk.wait()
    assert report.outcome == "stopped"
    assert {name: state.status for name, state in report.states.items()} == {
        "a": Status.DONE,
        "b": Status.PENDING,
        "c": Status.PENDING,
    }
    assert sorted(bench.store.words()) == ["begin a", "end a", "run", "stop"]
    assert bench.resumed().forward().outcome == "done"


def test_a_run_that_ends_while_it_is_stopped_is_done(bench: Bench) -> None:
    held = Held()
    bench.on("apply", "a", held)
    runner = bench.runner(bench.open(plan(task("a"))))
    walk = Background(runner)
    assert held.reached.wait(30)
    runner.stop()
    held.release.set()
    assert walk.wait().outcome == "done"


def test_stopping_is_told_and_journaled_once(bench: Bench) -> None:
    runner = bench.runner(bench.open(plan(task("a"))))
    runner.stop()
    runner.stop()
    assert runner.forward().outcome == "stopped"
    assert bench.happened() == ["run", "stopping", "finished"]
    assert bench.store.words() == ["run", "stop"]
    assert bench.log == []


def test_the_journal_tells_who_wanted_to_wait_and_who_no_longer_did(bench: Bench) -> None:
    runner = bench.runner(bench.open(plan(task("a"))))
    runner.stop()
    runner.stop_now()
    runner.stop_now()
    assert runner.forward().outcome == "stopped"
    assert bench.store.words() == ["run", "stop", "stop"]
    assert [record.get("at_once", False) for record in bench.store.records[1:]] == [False, True]
    assert bench.resumed().forward().outcome == "done"


def test_a_run_whose_journal_cannot_be_written_stops_all_the_same_when_it_is_told_to(bench: Bench) -> None:
    held = Held()
    bench.on("apply", "a", held)
    runner = bench.runner(bench.open(plan(task("a"), task("b", "a"))))
    walk = Background(runner)
    assert held.reached.wait(30)
    bench.store.fails_at = 0
    runner.stop_now()
    walk.thread.join(30)
    assert "disk full" in str(walk.error)
    held.release.set()
    bench.settle()
    bench.store.fails_at = None
    assert bench.store.words() == ["run", "begin a"]
    assert bench.resumed().forward().outcome == "done"


def test_stopped_gently_no_attempt_is_waited_for(bench: Bench) -> None:
    failed = threading.Event()

    def fail(_: Context) -> None:
        failed.set()
        raise TEMPORARY

    bench.on("apply", "a", fail)
    runner = bench.runner(bench.open(plan(task("a", retry=Retry(attempts=3, wait=3600.0, longest=3600.0)))))
    walk = Background(runner)
    assert failed.wait(30)
    runner.stop()
    report = walk.wait()
    assert report.outcome == "stopped"
    assert report.states["a"].status is Status.FAILED
    assert report.errors == {}
    assert bench.resumed().forward().outcome == "done"


def test_stopped_gently_what_failed_in_a_batch_is_not_tried_alone(bench: Bench) -> None:
    held = Held()

    def fail(on: Context) -> None:
        held(on)
        raise TEMPORARY

    bench.on("apply", "a", fail)
    runner = bench.runner(bench.open(plan(task("a", step=Short()), task("b", step=Short()))))
    walk = Background(runner)
    assert held.reached.wait(30)
    runner.stop()
    held.release.set()
    assert walk.wait().outcome == "stopped"
    assert bench.done("apply") == ["a"]
    assert bench.resumed().forward().outcome == "done"


@pytest.mark.parametrize("stop", ["stop", "stop_now"])
def test_what_only_waits_hears_of_the_stop_and_has_not_begun_so_to_say(bench: Bench, stop: str) -> None:
    reached = threading.Event()
    heard: list[bool] = []

    def wait(on: Context) -> None:
        reached.set()
        heard.append(on.cancelled.wait(30))
        raise Cancelled("stopped while waiting")

    bench.on("apply", "gate", wait)
    runner = bench.runner(bench.open(plan(task("a"), task("gate", "a", step=Gate()))))
    walk = Background(runner)
    assert reached.wait(30)
    getattr(runner, stop)()
    report = walk.wait()
    bench.settle()
    assert heard == [True]
    assert (report.outcome, report.errors) == ("stopped", {})
    if stop == "stop":
        assert report.states["gate"].status is Status.PENDING
        assert bench.store.words() == ["run", "begin a", "end a", "begin gate", "stop", "leave gate"]
    assert bench.resumed().forward().outcome == "done"


def test_a_signal_handler_may_stop_a_run_in_the_middle_of_its_telling(bench: Bench) -> None:
    """What tells holds a lock, of a log say, and the handler runs in the same thread."""
    telling = threading.Lock()
    told: list[str] = []

    def sink(event: Event) -> None:
        if not telling.acquire(timeout=5):
            told.append("the handler waits for what it interrupts")
            return
        if event.event == "run":
            runner.stop()
            runner.stop_now()
        told.append(event.event)
        telling.release()

    runner = bench.runner(bench.open(plan(task("a"))), tell=sink)
    assert runner.forward().outcome == "stopped"
    bench.settle()
    assert told[0] == "run"
    assert told.count("stopping") == 1
    assert "the handler waits for what it interrupts" not in told


def test_stopped_at_once_nothing_is_waited_for_and_nothing_but_the_stop_is_journaled_any_more(bench: Bench) -> None:
    held = Held()
    bench.on("apply", "a", held)
    runner = bench.runner(bench.open(plan(task("a"), task("b", "a"))))
    walk = Background(runner)
    assert held.reached.wait(30)
    runner.stop_now()
    report = walk.wait()
    assert report.outcome == "stopped"
    assert report.states["a"].status is Status.UNKNOWN
    held.release.set()  # the step that was left behind goes on to its end
    bench.settle()
    assert bench.cells == {"a": "new"}
    assert bench.store.words() == ["run", "begin a", "stop"]
    assert "b" not in bench.done("observe")


def test_stopped_at_once_a_run_can_be_resumed(bench: Bench) -> None:
    held = Held()
    bench.on("apply", "a", held)
    runner = bench.runner(bench.open(plan(task("a"), task("b", "a"))))
    walk = Background(runner)
    assert held.reached.wait(30)
    runner.stop_now()
    walk.wait()
    assert bench.resumed().forward().outcome == "done"
    held.release.set()


@pytest.mark.parametrize("now", [False, True])
def test_a_way_back_can_be_stopped_as_well_and_gone_on_in_either_direction(bench: Bench, now: bool) -> None:
    bench.runner(bench.open(plan(task("a"), task("b", "a")))).forward()
    held = Held()
    bench.on("undo", "b", held)
    runner = bench.resumed()
    walk = Background(runner, "back")
    assert held.reached.wait(30)
    (runner.stop_now if now else runner.stop)()
    if not now:
        held.release.set()
    report = walk.wait()
    assert report.outcome == "stopped"
    assert report.states["b"].status is (Status.UNDO_UNKNOWN if now else Status.UNDONE)
    held.release.set()
    bench.settle()
    assert bench.resumed().forward().outcome == "done"
    assert bench.resumed().back().outcome == "undone"
    assert bench.cells == {}


def test_what_left_steps_say_after_the_end_is_no_error_of_the_run(bench: Bench) -> None:
    """Their journal is closed to them: many are left at once, and the walk returns its report all the same."""
    together = threading.Barrier(21)

    def wait_for_all(_: Context) -> None:
        together.wait(30)

    for number in range(20):
        bench.on("apply", f"t{number}", wait_for_all)
    runner = bench.runner(bench.open(plan(*(task(f"t{number}") for number in range(20)))))
    walk = Background(runner)
    runner_stopped = threading.Thread(target=lambda: (together.wait(30), runner.stop_now()))
    runner_stopped.start()
    report = walk.wait()
    runner_stopped.join()
    assert report.outcome in ("stopped", "done")
