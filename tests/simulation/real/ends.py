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
            _see_alike(story.digest(issued=False), wanted(world).digest)
            for name in world.leaving:
                _see_alike(host(story.model, name), _bare(world)[name])
            for node in story.model.nodes.values():
                assert all(map(node.machine.tree.find, world.brought))
        else:
            _see_alike(story.digest(), story.before)
        story.check()
    except BaseException as error:
        error.add_note("\n".join(story.trace[-300:]))
        raise


def _see_alike(one: Digest, other: Digest) -> None:
    differences = differing(one, other)
    assert not differences, differences


@cache
def _bare(world: World) -> dict[str, Digest]:
    """Hosts that leave, as they were before they came."""
    return {name: host(world.bare(), name) for name in world.leaving}
