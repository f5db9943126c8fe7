"""Every plan that KlusterKit makes, killed anywhere: it can be finished, it can be taken back, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from klusterkit.tasks.gates import Gate
from tests.simulation.crash import folder
from tests.simulation.episodes import DIRECTIONS, episodes
from tests.simulation.real.story import Digest, RealStory, Saved, differing, undisturbed
from tests.simulation.real.troubles import Troubles
from tests.simulation.real.worlds import ONE_MASTER, WITH_WORKERS, WORLDS, World
from tests.simulation.settings import CI
from tests.simulation.story import BACK, FORWARD, Direction, Episode

FEW = settings(CI, max_examples=40, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""Without making a failing case smaller: threads don't come in the same order twice."""
MANY = settings(FEW, max_examples=600)
Figures = Callable[[str, object], None]

both_directions = pytest.mark.parametrize("direction", [FORWARD, BACK])
both_goals = pytest.mark.parametrize("goal", [FORWARD, BACK])


@pytest.fixture(autouse=True, scope="module")
def without_pauses() -> Iterator[None]:
    """Between two looks of a gate nothing happens on these hosts by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gate, "pause", 0.0)
        yield


@cache
def wanted(world: World) -> Digest:
    return undisturbed(world)


def finish(story: RealStory, world: World, goal: Direction) -> None:
    """Go there without being killed any more, and see that it is the right place."""
    try:
        story.reach(goal)
        if goal is FORWARD:
            assert differing(story.digest(issued=False), wanted(world)) == {}
        else:
            assert differing(story.digest(), story.before) == {}
        story.check()
    except BaseException as error:
        error.add_note("\n".join(story.trace[-300:]))
        raise


# Killed right after each record of the journal -----------------------------------------------------------------------


@cache
def left_after_each_record(world: World, direction: Direction) -> tuple[Saved, ...]:
    with folder() as place:
        story = RealStory(world, place)
        if direction is BACK:
            story.live(Episode(FORWARD))
        story.saved = []
        story.live(Episode(direction))
        return tuple(story.saved)


def go_on(world: World, left: Saved, goal: Direction) -> None:
    with folder() as place:
        story = RealStory(world, place)
        left.restore(story)
        finish(story, world, goal)


@both_goals
@both_directions
def test_killed_right_after_a_record(direction: Direction, goal: Direction) -> None:
    for left in left_after_each_record(ONE_MASTER, direction)[::9]:
        go_on(ONE_MASTER, left, goal)


@pytest.mark.sweep
@both_goals
@both_directions
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_killed_right_after_any_record(
    world: World, direction: Direction, goal: Direction, record_property: Figures
) -> None:
    left = left_after_each_record(world, direction)
    tried = left[:: 1 if world is ONE_MASTER else 3]
    for one in tried:
        go_on(world, one, goal)
    record_property("figures", f"after {len(tried)} of {len(left)} records")


# Killed before, in the middle of and after each write of the journal and each call to a host --------------------------


@cache
def at_the_end(world: World) -> Saved:
    return left_after_each_record(world, FORWARD)[-1]


def kill(world: World, episode: Episode, goal: Direction) -> bool:
    """One process, in the same order each time, then on to the goal. Returns whether it was killed on its way."""
    with folder() as place:
        story = RealStory(world, place, at_once=1)
        if episode.direction is BACK:
            at_the_end(world).restore(story)
        killed = story.live(episode) is None
        finish(story, world, goal)
        return killed


def moments(world: World, direction: Direction) -> list[Episode]:
    """A process for each moment at which it may be killed. A record is torn in another place each time."""
    with folder() as place:
        story = RealStory(world, place, at_once=1)
        if direction is BACK:
            at_the_end(world).restore(story)
        story.live(Episode(direction))
        return [
            Episode(direction, burns_at=moment, tear=moment % 11 / 10, meanwhile=moment % 3, reboot=moment % 4 == 0)
            for moment in range(1, len(story.moments) + 1)
        ]


@both_goals
@both_directions
def test_killed_at_a_moment(direction: Direction, goal: Direction) -> None:
    for episode in moments(ONE_MASTER, direction)[::61]:
        assert kill(ONE_MASTER, episode, goal)


@pytest.mark.sweep
@both_goals
@both_directions
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_killed_at_any_moment(world: World, direction: Direction, goal: Direction, record_property: Figures) -> None:
    """Every moment of one master's plan, with one goal or the other. The others have most of its tasks too."""
    possible = moments(world, direction)
    tried = possible[goal is BACK :: 2] if world is ONE_MASTER else possible[:: 50 if world is WITH_WORKERS else 20]
    for episode in tried:
        assert kill(world, episode, goal)
    record_property("figures", f"at {len(tried)} of {len(possible)} moments")


# Killed anywhere, several times, among power cuts, lost connections, full disks and failing programs -----------------

hosts = st.sampled_from(("10.0.0.5", "10.0.0.6"))
lives = episodes(2, moments=1500, writes=150, events=300)
goes_wrong = st.sampled_from(("fails", "fails for good", "hangs", "is lost"))
troubles = st.builds(
    Troubles,
    away=st.dictionaries(hosts, st.builds(range, st.integers(1, 900), st.integers(1, 1000)), max_size=2),
    failing=st.dictionaries(hosts, st.dictionaries(st.integers(1, 600), goes_wrong, max_size=8), max_size=2),
)
worlds = st.sampled_from(tuple(WORLDS.values()))


def prove(world: World, lived: tuple[Episode, ...], amid: Troubles, goal: Direction, at_once: int) -> None:
    with folder() as place:
        story = RealStory(world, place, at_once=at_once)
        story.troubles = amid
        for episode in lived:
            story.live(episode)
        story.troubles = Troubles()
        finish(story, world, goal)


@FEW
@given(worlds, lives, troubles, DIRECTIONS, st.sampled_from((1, 256)))
def test_killed_anywhere_among_troubles_it_can_be_finished_and_taken_back(
    world: World, lived: tuple[Episode, ...], amid: Troubles, goal: Direction, at_once: int
) -> None:
    prove(world, lived, amid, goal, at_once)


@pytest.mark.sweep
@MANY
@given(worlds, lives, troubles, DIRECTIONS, st.sampled_from((1, 256)))
def test_killed_anywhere_among_troubles_in_many_cases(
    world: World, lived: tuple[Episode, ...], amid: Troubles, goal: Direction, at_once: int
) -> None:
    prove(world, lived, amid, goal, at_once)
