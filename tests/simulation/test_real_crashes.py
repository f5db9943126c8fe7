"""Every plan that KlusterKit makes, killed anywhere: it can be finished, it can be taken back, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.simulation.crash import folder
from tests.simulation.episodes import DIRECTIONS, episodes
from tests.simulation.real.ends import finish
from tests.simulation.real.story import RealStory, Saved
from tests.simulation.real.troubles import Troubles
from tests.simulation.real.worlds import (
    DEPLOYED,
    JOINING,
    LARGE,
    MASTER_LEAVES,
    ONE_MASTER,
    ONE_MASTER_ENDS,
    OTHER_ACCESS,
    WORKER_LEAVES,
    WORLDS,
    World,
)
from tests.simulation.settings import CI
from tests.simulation.story import BACK, FORWARD, Direction, Episode

pytestmark = pytest.mark.usefixtures("without_pauses")

FEW = settings(CI, max_examples=40, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""Without making a failing case smaller: threads don't come in the same order twice."""
FEW_OF_ONE = settings(FEW, max_examples=15)
MANY = settings(FEW, max_examples=600)
Figures = Callable[[str, object], None]

both_directions = pytest.mark.parametrize("direction", [FORWARD, BACK])
both_goals = pytest.mark.parametrize("goal", [FORWARD, BACK])
some_worlds = pytest.mark.parametrize(
    ("world", "apart"),
    [
        *((ONE_MASTER, 9), (JOINING, 157), (DEPLOYED, 3), (OTHER_ACCESS, 1), (WORKER_LEAVES, 26), (MASTER_LEAVES, 53)),
        (ONE_MASTER_ENDS, 46),
    ],
    ids=["one master", "joining", "deploying", "another account", "a worker leaves", "a master leaves", "the end"],
)
"""With how many records lie between two that it is killed after."""


# Killed right after each record of the journal -----------------------------------------------------------------------


@lru_cache(maxsize=2)
def left_after_records(world: World, direction: Direction, apart: int) -> tuple[Saved, ...]:
    with folder() as place:
        story = RealStory(world, place)
        if direction is BACK:
            where_it_may_turn(world).restore(story)
        story.saves_every = apart
        story.live(Episode(direction))
        return tuple(story.saved)


@cache
def where_it_may_turn(world: World) -> Saved:
    """The last moment of a run at which it can be taken back."""
    points = [f"before writing begin {task.id} " for task in world.plan.points_of_no_return()]
    with folder() as place:
        story = RealStory(world, place, at_once=1, told=False)
        story.live(Episode(FORWARD))
        past = [number for number, words in enumerate(story.moments, 1) if words.startswith(tuple(points))]
    with folder() as place:
        story = RealStory(world, place, at_once=1, told=False)
        story.live(Episode(FORWARD, burns_at=min(past, default=None)))
        return Saved(story)


def go_on(world: World, left: Saved, goal: Direction) -> None:
    with folder() as place:
        story = RealStory(world, place)
        left.restore(story)
        finish(story, world, goal)


@some_worlds
@both_goals
@both_directions
def test_killed_right_after_a_record(world: World, apart: int, direction: Direction, goal: Direction) -> None:
    for left in left_after_records(world, direction, apart):
        go_on(world, left, goal)


@pytest.mark.sweep
@both_goals
@both_directions
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_killed_right_after_any_record(
    world: World, direction: Direction, goal: Direction, record_property: Figures
) -> None:
    apart = 1 if world is ONE_MASTER else 3 * len(world.plan.hosts)
    left = left_after_records(world, direction, apart)
    for one in left:
        go_on(world, one, goal)
    record_property("figures", f"after {len(left)} records, {apart} apart")


# Killed before, in the middle of and after each write of the journal and each call to a host --------------------------


def kill(world: World, episode: Episode, goal: Direction) -> bool:
    """One process, in the same order each time, then on to the goal. Returns whether it was killed on its way."""
    with folder() as place:
        story = RealStory(world, place, at_once=1)
        if episode.direction is BACK:
            where_it_may_turn(world).restore(story)
        killed = story.live(episode) is None
        finish(story, world, goal)
        return killed


@lru_cache(maxsize=2)
def moments(world: World, direction: Direction) -> list[Episode]:
    """A process for each moment at which it may be killed. A record is torn in another place each time."""
    with folder() as place:
        story = RealStory(world, place, at_once=1)
        if direction is BACK:
            where_it_may_turn(world).restore(story)
        story.live(Episode(direction))
        return [
            Episode(direction, burns_at=moment, tear=moment % 11 / 10, meanwhile=moment % 3, reboot=moment % 4 == 0)
            for moment in range(1, len(story.moments) + 1)
        ]


@pytest.mark.parametrize(
    ("world", "apart"),
    [(ONE_MASTER, 61), (WORKER_LEAVES, 301), (ONE_MASTER_ENDS, 331)],
    ids=["one master", "a worker leaves", "the end"],
)
@both_goals
@both_directions
def test_killed_at_a_moment(world: World, apart: int, direction: Direction, goal: Direction) -> None:
    for episode in moments(world, direction)[apart // 2 :: apart]:
        assert kill(world, episode, goal)


@pytest.mark.sweep
@both_goals
@both_directions
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_killed_at_any_moment(world: World, direction: Direction, goal: Direction, record_property: Figures) -> None:
    """Every moment of one master's plan. The others have most of its tasks too.

    Each moment is tried with one goal: after every other one the run is finished, after those between it is taken
    back. So the figures of either goal say half of the moments, and both together are all of them.
    """
    possible = moments(world, direction)
    tried = possible[goal is BACK :: 2] if world is ONE_MASTER else possible[:: 20 * len(world.plan.hosts)]
    for episode in tried:
        assert kill(world, episode, goal)
    record_property("figures", f"at {len(tried)} of {len(possible)} moments")


# Killed anywhere, several times, among power cuts, lost connections, full disks and failing programs -----------------

hosts = st.sampled_from(("10.0.0.5", "10.0.0.6", "10.0.0.7"))
lives = episodes(2, moments=10_000, writes=150, events=300)
MOMENTS = 13
"""Of each task, about."""
goes_wrong = st.sampled_from(("fails", "fails for good", "hangs", "is lost"))
troubles = st.builds(
    Troubles,
    away=st.dictionaries(hosts, st.builds(range, st.integers(1, 900), st.integers(1, 1000)), max_size=2),
    failing=st.dictionaries(hosts, st.dictionaries(st.integers(1, 600), goes_wrong, max_size=8), max_size=2),
)
worlds = st.sampled_from(tuple(WORLDS.values()))
small_worlds = st.sampled_from(tuple(world for world in WORLDS.values() if world not in LARGE))


def within(world: World, episode: Episode) -> Episode:
    """The same, killed while the plan still has something to do."""
    moments = MOMENTS * len(world.plan.tasks)
    return replace(episode, burns_at=episode.burns_at and 1 + episode.burns_at % moments)


def prove(world: World, lived: tuple[Episode, ...], amid: Troubles, goal: Direction, at_once: int) -> None:
    with folder() as place:
        story = RealStory(world, place, at_once=at_once)
        story.troubles = amid
        for episode in lived:
            story.live(within(world, episode))
        story.troubles = Troubles()
        finish(story, world, goal)


@FEW
@given(small_worlds, lives, troubles, DIRECTIONS, st.sampled_from((1, 256)))
def test_killed_anywhere_among_troubles_it_can_be_finished_and_taken_back(
    world: World, lived: tuple[Episode, ...], amid: Troubles, goal: Direction, at_once: int
) -> None:
    prove(world, lived, amid, goal, at_once)


@FEW_OF_ONE
@given(lives, troubles, DIRECTIONS, st.sampled_from((1, 256)))
def test_one_master_killed_anywhere_among_troubles_can_be_finished_and_taken_back(
    lived: tuple[Episode, ...], amid: Troubles, goal: Direction, at_once: int
) -> None:
    """The plan that everything begins with would come seldom among all of them."""
    prove(ONE_MASTER, lived, amid, goal, at_once)


def test_a_run_that_was_taken_back_can_be_planned_and_finished_with_what_it_needs_beside_the_state() -> None:
    prove(OTHER_ACCESS, (Episode(FORWARD, burns_at=27), Episode(BACK)), Troubles(), FORWARD, at_once=1)


@pytest.mark.sweep
@MANY
@given(worlds, lives, troubles, DIRECTIONS, st.sampled_from((1, 256)))
def test_killed_anywhere_among_troubles_in_many_cases(
    world: World, lived: tuple[Episode, ...], amid: Troubles, goal: Direction, at_once: int
) -> None:
    prove(world, lived, amid, goal, at_once)
