"""Looking at a run never changes it."""

from __future__ import annotations

import io
import json
import threading

from example_runs import SMALL, Hosts, begun, paper, run, said

from klusterkit.engine.errors import CommandFailed, NotYet
from klusterkit.engine.events import Event
from klusterkit.engine.journal import Direction
from klusterkit.engine.runner import Runner
from klusterkit.report.jsonlines import JsonLines, report_data
from klusterkit.report.lines import Lines
from klusterkit.report.live import LiveView, picture
from klusterkit.report.progress import Progress
from klusterkit.report.watch import Watch

FAILURE = CommandFailed("status 1", host="m1", seen="no such file", hint="look there").info()


class Broken:
    """A view whose terminal is gone."""

    beat = 0.01

    def show(self, event: Event) -> None:
        raise OSError("the terminal is gone")

    def tick(self) -> None:
        raise OSError("the terminal is gone")

    def close(self) -> None:
        raise OSError("the terminal is gone")


class Stuck(Broken):
    """A view whose terminal takes nothing."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def show(self, event: Event) -> None:
        self.free.wait()


def lines_of(failing: dict[str, object] | None = None) -> list[str]:
    console = paper()
    with Watch(lambda: Lines(console, Progress(SMALL))) as watch:
        Runner(begun(SMALL), Hosts(failing), watch.tell).forward()  # type: ignore[arg-type]
    return [line.partition(" ")[2] for line in said(console).splitlines()]


def test_a_view_that_fails_does_not_fail_the_run():
    with Watch(Broken) as watch:
        report = Runner(begun(SMALL), Hosts(), watch.tell).forward()
    assert report.outcome == "done"


def test_a_view_that_can_not_be_opened_does_not_fail_the_run():
    with Watch(lambda: 1 / 0) as watch:  # type: ignore[arg-type, return-value]
        report = Runner(begun(SMALL), Hosts(), watch.tell).forward()
    assert report.outcome == "done"


def test_a_view_that_hangs_does_not_hold_up_the_run():
    view = Stuck()
    watch = Watch(lambda: view).__enter__()
    report = Runner(begun(SMALL), Hosts(), watch.tell).forward()
    assert report.outcome == "done"
    assert not view.free.is_set()
    view.free.set()


def test_each_task_that_ends_is_a_line():
    lines = lines_of()
    assert [line.rpartition(" in ")[0] for line in lines] == [
        "m1/preflight done",
        "m1/etcd/unit done",
        "m1/etcd/start done",
    ]


def test_a_failure_is_a_line_with_its_reason():
    assert lines_of({"m1/etcd/unit": FAILURE})[-1] == "m1/etcd/unit FAILED: status 1"


def test_a_silence_is_broken_by_what_is_waited_for(monkeypatch):
    monkeypatch.setattr("klusterkit.report.lines.SILENCE", 0.0)
    console, progress = paper(), Progress(SMALL, now=lambda: 1000.0)
    lines = Lines(console, progress)
    lines.show(Event(event="started", task="m1/etcd/start", at=1000.0))
    lines.tick()
    assert "0 of 3 done, running: m1/etcd/start (0.0 s)" in said(console)


def test_on_the_way_back_a_silence_is_broken_by_what_is_being_undone(monkeypatch):
    monkeypatch.setattr("klusterkit.report.lines.SILENCE", 0.0)
    console = paper()
    lines = Lines(console, Progress(SMALL, direction=Direction.BACK, now=lambda: 1000.0))
    lines.show(Event(event="started", task="m1/etcd/start", at=1000.0))
    lines.tick()
    assert "0 of 3 undone, undoing: m1/etcd/start (0.0 s)" in said(console)


def test_on_the_way_back_the_drawing_says_of_each_task_that_it_is_being_undone():
    console = paper()
    progress = Progress(SMALL, direction=Direction.BACK)
    progress.learn(Event(event="started", task="m1/etcd/unit", title="make the unit"))
    console.print(picture(progress, console.width))
    counted, running = said(console).splitlines()
    assert "0 of 3 undone" in counted
    assert running.endswith(" s  undo: make the unit")


def test_stopping_says_what_is_waited_for_and_how_to_wait_no_longer():
    console = paper(200)
    lines = Lines(console, Progress(SMALL, now=lambda: 1000.0))
    lines.show(Event(event="started", task="m1/etcd/start", at=1000.0))
    lines.show(Event(event="stopping"))
    assert "stopping: waiting for m1/etcd/start (0.0 s); Ctrl-C again waits no longer" in said(console)


def test_the_drawing_shows_what_runs_and_fits_a_narrow_screen():
    console, now = paper(), [997.0]
    progress = Progress(SMALL, {"m1/preflight"}, now=lambda: now[0])
    now[0] += 3
    progress.learn(Event(event="started", task="m1/etcd/unit", title="make the unit", at=997.0))
    progress.learn(
        Event(
            event="retrying", task="m1/etcd/unit", at=999.0, attempt=1, wait=2, error=NotYet("not there " * 20).info()
        )
    )
    console.print(picture(progress, console.width))
    lines = said(console).splitlines()
    assert lines[0].endswith("1 of 3 done, 3.0 s, about 30 s left")
    assert lines[1].startswith("  etcd/unit    3.0 s  attempt 2 in 2 s: not there not there")
    assert lines[1].endswith("…")
    assert all(len(line) <= 80 for line in lines)


def test_a_live_view_prints_failures_and_takes_its_drawing_away():
    console = paper()
    with Watch(lambda: LiveView(console, Progress(SMALL))) as watch:
        Runner(begun(SMALL), Hosts({"m1/etcd/unit": FAILURE}), watch.tell).forward()
    assert "m1/etcd/unit FAILED: status 1\n" in said(console)


def test_json_lines_are_one_event_each_and_the_report_is_data():
    file = io.StringIO()
    with Watch(lambda: JsonLines(file)) as watch:
        report = Runner(begun(SMALL), Hosts({"m1/etcd/start": FAILURE}), watch.tell).forward()
    events = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [event["event"] for event in events][:3] == ["run", "started", "done"]
    assert all("at" in event for event in events)
    failed = next(event for event in events if event["event"] == "failed")
    assert failed["error"]["hint"] == "look there"
    data = report_data(report, 6)
    assert json.loads(json.dumps(data)) == data
    assert (data["report"], data["exit_code"], data["counts"]) == ("failed", 6, {"done": 2, "failed": 1})
    assert data["errors"]["m1/etcd/start"]["seen"] == "no such file"


def test_a_run_without_anybody_looking_ends_the_same():
    assert run(SMALL).outcome == "done"
