"""One plan that has a step of every nature, killed at each of its moments in turn, and torn at each byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.journal import Direction, Journal, Record
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Context
from klusterkit.state import StateFile
from tests.simulation.crash import Dead, Life, folder
from tests.simulation.model import steps
from tests.simulation.model.host import ModelHost
from tests.simulation.model.scenarios import ModelStory, Scenario, undisturbed
from tests.simulation.story import BACK, FORWARD, Episode


def task(name: str, step: steps.CellStep | steps.Gate, *needs: str, undone_by: str | None = None) -> Task:
    return Task(id=name, host="h0", step=step, needs=needs, undone_by=undone_by)


SCENARIO = Scenario(
    Plan(
        operation="test",
        lineage="l",
        serial=1,
        tasks=(
            task("put", steps.Put(cell="put", value="new")),
            task("same", steps.Put(cell="same", value="new")),
            task("build", steps.Build(cell="build", value="new", stages=1), "put"),
            task("box", steps.Box(cell="box", value="new"), "build"),
            task("inside", steps.RunInside(cell="box/inside", value="new", stages=1), "box", undone_by="box"),
            task("gate", steps.Gate(looks=1), "inside", "same"),
            task("run", steps.Run(cell="run", value="new", stages=1), "gate"),
            task("once", steps.Once(cell="once", value="new", stages=1), "run"),
            task("run-once", steps.RunOnce(cell="run-once", value="new", stages=1), "once"),
        ),
    ).checked(),
    initial={("h0", "put"): "old", ("h0", "same"): "new", ("h0", "build"): "old", ("h0", "run"): "old"},
    at_once=1,  # so that every run has the same moments
)


@pytest.fixture
def story() -> Iterator[ModelStory]:
    with folder() as place:
        yield ModelStory(SCENARIO, place)


def moments(*episodes: Episode) -> int:
    """How many moments the last of these processes has, if nobody kills it."""
    with folder() as place:
        story = ModelStory(SCENARIO, place)
        for episode in episodes:
            story.live(episode)
        return len(story.moments)


FORTH = moments(Episode(FORWARD))
BACKWARD = moments(Episode(FORWARD), Episode(BACK))
FORTH_AGAIN = moments(Episode(FORWARD), Episode(BACK), Episode(FORWARD))
WANTED = undisturbed(SCENARIO)


def finish(story: ModelStory, goal: Direction) -> None:
    story.reach(goal)
    assert story.world.cells == (WANTED if goal is FORWARD else SCENARIO.initial)
    story.check()


def test_the_plan_has_enough_moments_to_be_worth_it() -> None:
    assert FORTH > 100
    assert BACKWARD > 60


@pytest.mark.parametrize("goal", [FORWARD, BACK])
@pytest.mark.parametrize("moment", range(1, FORTH + 1))
def test_killed_at_any_moment_on_the_way_forward(story: ModelStory, moment: int, goal: Direction) -> None:
    assert story.live(Episode(FORWARD, burns_at=moment, meanwhile=moment % 3, reboot=moment % 4 == 0)) is None
    finish(story, goal)


@pytest.mark.parametrize("goal", [FORWARD, BACK])
@pytest.mark.parametrize("moment", range(1, BACKWARD + 1))
def test_killed_at_any_moment_on_the_way_back(story: ModelStory, moment: int, goal: Direction) -> None:
    story.live(Episode(FORWARD))
    assert story.live(Episode(BACK, burns_at=moment, meanwhile=moment % 3, reboot=moment % 4 == 0)) is None
    finish(story, goal)


@pytest.mark.parametrize("moment", range(1, FORTH_AGAIN + 1, 7))
def test_killed_on_the_way_forward_again(story: ModelStory, moment: int) -> None:
    story.live(Episode(FORWARD))
    story.live(Episode(BACK))
    assert story.live(Episode(FORWARD, burns_at=moment)) is None
    finish(story, BACK)


@pytest.mark.parametrize("goal", [FORWARD, BACK])
def test_killed_at_every_moment_one_after_the_other_it_still_gets_there(story: ModelStory, goal: Direction) -> None:
    """Each process lives one moment longer than the one before: it can always get a little further."""
    story.live(Episode(FORWARD, burns_at=FORTH // 2))
    for moment in range(1, 40):
        story.live(Episode(goal, burns_at=moment, meanwhile=moment % 2))
    finish(story, goal)


def test_torn_at_every_byte_a_record_is_as_if_it_had_never_been_begun(tmp_path: Path) -> None:
    """Of every kind of record. The run that reads it knows what it knew before, and goes on from there."""
    story = ModelStory(SCENARIO, tmp_path)
    story.live(Episode(FORWARD, burns_at=FORTH // 2))
    story.live(Episode(BACK, burns_at=BACKWARD // 3))
    with story.disk.opened(Life(story.guard)) as store:
        error = CommandFailed("it failed", host="h0").info()
        Journal(store).write(
            Record(record="fail", at=1.0, task="run", error=error),
            Record(record="leave", at=1.5, task="gate"),
            Record(record="ask", at=2.0, task="once", error=error),
            Record(record="decide", at=3.0, task="once", choice="retry"),
            Record(record="stop", at=4.0, at_once=True),
        )
    whole = story.disk.path.read_bytes()
    records = list(story.disk.records())
    lines = whole.splitlines(keepends=True)[-len(records) :]
    kinds = {(record["record"], record.get("direction")): number for number, record in enumerate(records)}
    assert {kind for kind, _ in kinds} == set(get_args(Record.model_fields["record"].annotation))
    for number in kinds.values():
        start = len(whole) - sum(map(len, lines[number:]))
        for cut in range(len(lines[number])):
            story.disk.path.write_bytes(whole[: start + cut])
            read = StateFile.load(story.disk.path)
            assert list(read.records) == records[:number]
            assert read.torn == (cut > 0)


@pytest.mark.parametrize("goal", [FORWARD, BACK])
def test_a_run_goes_on_from_a_record_torn_at_every_byte(goal: Direction) -> None:
    one = replace(SCENARIO, plan=SCENARIO.plan.changed(tasks=SCENARIO.plan.tasks[:1]), initial={("h0", "put"): "old"})
    wanted = undisturbed(one)
    writing = Episode(FORWARD, burns_at=_moment_of(one, "writing end put"))
    with folder() as place:
        size = _torn_size(one, writing, place)
    for cut in range(size + 1):
        with folder() as place:
            story = ModelStory(one, place)
            assert story.live(replace(writing, tear=cut / size)) is None
            story.reach(goal)
            assert story.world.cells == (wanted if goal is FORWARD else one.initial)
            story.check()


def _moment_of(scenario: Scenario, what: str) -> int:
    with folder() as place:
        story = ModelStory(scenario, place)
        story.live(Episode(FORWARD))
        return story.moments.index(what) + 1


def _torn_size(scenario: Scenario, writing: Episode, place: Path) -> int:
    story = ModelStory(scenario, place)
    story.live(replace(writing, tear=1.0))
    return len(story.disk.path.read_bytes().splitlines(keepends=True)[-1])


def test_a_killed_process_can_do_nothing_more(story: ModelStory) -> None:
    """The kill of these tests is as good as the real one: no write and no call takes effect afterwards."""
    life = Life(story.guard)
    with story.disk.opened(life) as store:
        journal = Journal.open(store, SCENARIO.plan, run="r1", who="somebody")
        host = ModelHost(story.world, life, "h0")
        context = Context(host=host, run="r1.0", task="put")  # type: ignore[arg-type]
        before = story.disk.path.read_bytes()
        life.end()
        with pytest.raises(Dead):
            journal.turn(BACK)
        for act in (
            lambda: host.change(context, "put", "late"),
            lambda: host.look(context, "put"),
            lambda: host.keep("put", "place"),
            lambda: host.job("key", ["put", "apply", "put", "late"]),
            lambda: host.job_stop("key"),
        ):
            with pytest.raises(Dead):
                act()
    assert story.disk.path.read_bytes() == before
    assert story.world.cells == SCENARIO.initial
    assert not story.world.programs
