"""Where a story may end: at its plan's end, as if nothing had gone wrong, or where it began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from klusterkit.engine.journal import Direction
from tests.simulation.crash import folder
from tests.simulation.real.digest import Digest, differing, host
from tests.simulation.real.story import RealStory, lived
from tests.simulation.real.world import World
from tests.simulation.story import FORWARD


@dataclass(frozen=True)
class Wanted:
    """A world when its plan is done."""

    digest: Digest
    changes: Sequence[str]
    """What became of the members of etcd on the way."""


@cache
def wanted(world: World) -> Wanted:
    """The end of a run in which nothing goes wrong."""
    with folder() as place:
        story = lived(world, place)
        return Wanted(story.digest(issued=False), story.model.etcd.changes)


def finish(story: RealStory, world: World, goal: Direction) -> None:
    """Go there without being killed any more, and see that it is the right place."""
    try:
        if story.reach(goal) is FORWARD:
            assert differing(story.digest(issued=False), wanted(world).digest) == {}
            _see_bare(story, world)
        else:
            assert differing(story.digest(), story.before) == {}
        story.check()
    except BaseException as error:
        error.add_note("\n".join(story.trace[-300:]))
        raise


def _see_bare(story: RealStory, world: World) -> None:
    """What has left is what it was before it came."""
    for name in world.leaving:
        assert differing(host(story.model, name), _bare(world)[name]) == {}


@cache
def _bare(world: World) -> dict[str, Digest]:
    return {name: host(world.bare(), name) for name in world.leaving}
