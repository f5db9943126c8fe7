"""A host is lost for good at any moment of any plan: the run ends without it, or is refused to, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from klusterkit.cluster import Machine
from klusterkit.engine.errors import HostUnreachable, UsageError
from klusterkit.engine.journal import Direction, Journal, Record
from klusterkit.engine.runner import PointOfNoReturn, refuse_past_return
from klusterkit.session.running.gonehosts import without_hosts
from klusterkit.state import StateFile
from tests.simulation.crash import folder
from tests.simulation.real.digest import Digest, differing
from tests.simulation.real.ends import wanted
from tests.simulation.real.story import RealStory, Saved
from tests.simulation.real.worlds import (
    DEPLOYED,
    JOINING,
    MARKED,
    MASTER_LEAVES,
    SEVERAL_LEAVE,
    THREE_MASTERS,
    WITH_WORKERS,
    WORKER_LEAVES,
    World,
)
from tests.simulation.story import BACK, FORWARD, Episode

pytestmark = pytest.mark.usefixtures("without_pauses")

COMING = {"workers": WITH_WORKERS, "three masters": THREE_MASTERS, "joining": JOINING}
CHANGING = {"labels": MARKED, "objects": DEPLOYED}
LEAVING = {"a worker leaves": WORKER_LEAVES, "a master leaves": MASTER_LEAVES, "several leave": SEVERAL_LEAVE}
WORLDS = {**COMING, **CHANGING, **LEAVING}
MOMENTS = 5
"""Of each plan, evenly spread."""


class Without(RealStory):
    """A run that has lost a host, and whose operator says so."""

    lost = ""
    said: tuple[Record, ...] = ()

    def lose(self, name: str) -> None:
        """For good."""
        self.lost = name
        self.model.switch_off(name)

    def give_up(self, direction: Direction) -> None:
        """Raise what the command would be refused with; nothing is decided then."""
        journal = Journal(StateFile.load(self.disk.path))
        if direction is BACK:
            refuse_past_return(journal)
        machines = [*self.world.machines, *self.made]
        self.said = tuple(without_hosts(journal, self, machines, [self.lost], direction))  # type: ignore[arg-type]

    @property
    def made(self) -> list[Machine]:
        """Machines that the run makes part of the cluster."""
        return [Machine.from_object(data) for data in self.plan.outcome.get("machines", [])]

    def __getitem__(self, name: str) -> Without._Reached:
        return self._Reached(self, name)

    class _Reached:
        """A host of the fleet, as far as it is asked whether it is there."""

        def __init__(self, story: Without, name: str) -> None:
            self._there = story.model.nodes[name].machine.powered

        def connect(self) -> None:
            if not self._there:
                raise HostUnreachable("nobody there")

    @property
    def others(self) -> frozenset[str]:
        """Of whom nothing of the run is."""
        return self.world.guests | {self.lost}

    @property
    def _own(self) -> list[str]:
        return [name for name in self.plan.hosts if name not in self.others]

    def begins(self, journal: Journal, direction: Direction) -> None:
        """What was said is journaled once."""
        super().begins(journal, direction)
        if not journal.gone:
            journal.write(*self.said)

    def rest(self, digest: Digest) -> Digest:
        """All but the lost host's own, and what only it could tell of."""
        masters = {machine.name for machine in self.world.machines if machine.is_master}
        cluster = ("objects", "members") if masters == {self.lost} else ()
        left_out = (f"{self.lost} ", f"{self.lost}:", *cluster)
        return {name: value for name, value in digest.items() if not name.startswith(left_out)}

    def check_others(self) -> None:
        assert not self.wrong, self.wrong
        assert not self.model.wrong, self.model.wrong
        for name, node in self.model.nodes.items():
            assert name == self.lost or not node.machine.jobs.running


def moments(world: World, place: Path) -> list[Saved]:
    """What is left when a process is killed at some moments of a plan."""
    story = RealStory(world, place)
    story.saves_every = max(2 * len(world.plan.tasks) // MOMENTS, 1)
    story.live(Episode(FORWARD))
    return story.saved


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
@pytest.mark.parametrize("direction", [BACK, FORWARD])
def test_a_run_ends_without_it_or_is_refused_before_anything_is_decided(world: World, direction: Direction) -> None:
    ended = refused = 0
    with folder() as place:
        saved = moments(world, place)
    for left in saved:
        for lost in world.plan.hosts:
            with folder() as place:
                story = Without(world, place)
                left.restore(story)
                story.lose(lost)
                kept = story.disk.path.read_bytes()
                try:
                    story.give_up(direction)
                except (UsageError, PointOfNoReturn):
                    refused += 1
                    assert story.disk.path.read_bytes() == kept
                    continue
                prove(story, world, direction)
                ended += 1
    print(f"{ended} ended, {refused} refused")
    assert ended or world not in (COMING if direction is BACK else LEAVING).values()


def prove(story: Without, world: World, direction: Direction) -> None:
    try:
        assert story.reach(direction) is direction
        there = story.before if direction is BACK else wanted(world).digest
        assert differing(story.rest(story.digest(issued=direction is BACK)), story.rest(there)) == {}
        story.check_others()
    except BaseException as error:
        error.add_note(f"without {story.lost}:\n" + "\n".join(story.trace[-200:]))
        raise
