"""Every plan in whatever order its tasks' needs allow, not only in the one that the runner would choose."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from klusterkit.engine.plan import Plan, Task
from tests.simulation.crash import folder
from tests.simulation.real.ends import finish, wanted
from tests.simulation.real.story import RealStory
from tests.simulation.real.worlds import WORLDS, World
from tests.simulation.settings import CI
from tests.simulation.story import BACK, FORWARD, Direction, Episode

pytestmark = pytest.mark.usefixtures("without_pauses")

FEW = settings(CI, max_examples=2, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""Without making a failing case smaller: a smaller seed is no simpler order."""
MANY = settings(FEW, max_examples=40)
every_world = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
seeds = st.integers(0, 2**32)
goals = st.sampled_from((FORWARD, BACK))


def any_order(plan: Plan, seed: int) -> list[str]:
    """An order in which everything comes after what it waits for."""
    left = {task.id: {*task.needs, *task.after} for task in plan.tasks}
    chance, order = random.Random(seed), []
    while left:
        name = chance.choice([task for task, waits in left.items() if not waits])
        del left[name]
        order.append(name)
        for waits in left.values():
            waits.discard(name)
    return order


def taken_in(order: Sequence[str], plan: Plan) -> list[Task]:
    """The plan's tasks with such costs that a runner which does one thing at a time takes them in this order.

    What has the longest way behind it comes first: so that way is made one longer from each to the one before it.
    """
    way = {name: len(order) - place for place, name in enumerate(order)}
    behind = {name: [*plan.needed_by[name], *plan.followed_by.get(name, ())] for name in order}
    cost = {name: way[name] - max((way[after] for after in behind[name]), default=0) for name in order}
    return [task.model_copy(update={"cost": float(cost[task.id])}) for task in plan.tasks]


def prove(world: World, seed: int, goal: Direction) -> None:
    order = any_order(world.plan, seed)
    turns = goal is BACK and not world.plan.points_of_no_return()
    with folder() as place:
        story = RealStory(world.with_tasks(taken_in(order, world.plan)), place, at_once=1, told=not turns)
        story.live(Episode(FORWARD))
        assert began(story) == order
        assert story.model.etcd.changes == wanted(world).changes, "members come and go one after the other"
        finish(story, world, BACK if turns else FORWARD)


def began(story: RealStory) -> list[str]:
    """The tasks that the last process began or passed over, in this order."""
    words = (moment.split() for moment in story.moments if moment.startswith("wrote "))
    return list(dict.fromkeys(task for each in words for task in each if task in story.plan.by_id))


@every_world
@FEW
@given(seeds, goals)
def test_in_whatever_order_a_plan_reaches_its_end_and_comes_back(world: World, seed: int, goal: Direction) -> None:
    prove(world, seed, goal)


@pytest.mark.sweep
@every_world
@MANY
@given(seeds, goals)
def test_in_many_orders_a_plan_reaches_its_end_and_comes_back(world: World, seed: int, goal: Direction) -> None:
    prove(world, seed, goal)
