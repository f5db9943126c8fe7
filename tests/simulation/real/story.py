"""A real plan on simulated hosts, lived through by one process after the other."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.executor import Call, Executor, LocalExecutor, Outcome, Verb
from klusterkit.engine.journal import Direction, Journal
from klusterkit.engine.runner import PointOfNoReturn, Report
from klusterkit.hosts.errors import StaleState
from klusterkit.hosts.fence import FENCE, Ending, Fence, read_fence
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.session.connect import QUESTION
from klusterkit.session.hold import Hold
from klusterkit.session.running.ending import end, refuse_left
from klusterkit.session.running.inputs import keep_inputs
from klusterkit.session.running.records import UNSEALED
from klusterkit.session.running.runs import fold
from klusterkit.session.settings import Settings
from klusterkit.state import Snapshot, StateFile, lock
from tests.simulation.crash import FencedStore, Life, folder
from tests.simulation.real.digest import Digest, digest
from tests.simulation.real.host import FencedHost
from tests.simulation.real.programs.cluster import ClusterModel
from tests.simulation.real.troubles import Troubles
from tests.simulation.real.world import World
from tests.simulation.story import BACK, FORWARD, Episode, Story
from tests.support import supplies

LOOKING = ("run", "job_stop")
"""What a step may call though it only looks: some looks take a program."""


class Saved:
    """Hosts as they were at one moment, with the journal as it was then."""

    def __init__(self, story: RealStory) -> None:
        self._journal = story.disk.path.read_bytes()
        self._now = story.model.clock.now()
        self._hosts = [node.machine.snapshot() for node in story.model.nodes.values()]

    def restore(self, story: RealStory) -> None:
        """Let it be so again."""
        story.disk.path.write_bytes(self._journal)
        self.restore_hosts(story.model)

    def restore_hosts(self, model: ClusterModel) -> None:
        """Let hosts be as these were."""
        model.clock.sleep_until(self._now)
        for node, snapshot in zip(model.nodes.values(), self._hosts, strict=True):
            node.machine.restore(snapshot)


class RealStory(Story):
    """A plan of KlusterKit's own, lived through.

    Args:
        world: hosts and plan.
        place: a folder for the state file, and for artifacts.
        at_once: as the runner takes it; with 1, the same moments come in every run.
        told: whether hosts and state are told how the run has ended, as every command does it. After that, it can't
            go the other way any more.
    """

    refusals = (PointOfNoReturn, StaleState)

    def __init__(self, world: World, place: Path, *, at_once: int = 256, told: bool = True) -> None:
        super().__init__(world.plan, place, threading.RLock(), at_once=at_once)
        if world.state is not None:
            self.disk.path.write_bytes(world.state)
        self.world = world
        self.model = world.hosts()
        self._told = told
        self.troubles = Troubles()
        self.saved: list[Saved] = []
        """What a kill after each of some records would leave."""
        self.saves_every = 0
        """How many records are written for each that is saved; 0 saves none."""
        self._written = 0
        self._place = place
        supplies.secrets()  # made once: threads that ask for them at the same time would get different ones
        self.before = self.digest()

    # Processes --------------------------------------------------------------------------------------------------------

    def executor(self, life: Life) -> Executor:
        """One whose hosts know for which tasks they are called."""
        return _Attributed(lambda name, calls: self._connect(life, name, calls), self._options(life))

    def begins(self, journal: Journal, direction: Direction) -> None:
        """All hosts are met, and refuse a state whose run they know to have ended otherwise."""
        towards: Ending = "done" if direction is FORWARD else "undone"
        serial = self._state().serial + 1
        ours = Fence(lineage=journal.plan.lineage, serial=serial, who="somebody", when=0.0, run=journal.run)
        for name in self._own:
            host = self._host(name)
            with suppress(FileNotFoundError):
                found = read_fence(host.read(FENCE), name)
                found.refuse(ours, towards, name)
                if found.serial == serial:
                    continue
            host.write(ours.file())
        if direction is BACK:
            refuse_left(self._host, journal, self.world.guests)

    def _host(self, name: str) -> SimulatedHost:
        return SimulatedHost(name, machine=self.model.nodes[name].machine)

    @property
    def _own(self) -> list[str]:
        """Hosts that the run is of."""
        return [name for name in self.plan.hosts if name not in self.world.guests]

    def ends(self, store: FencedStore, life: Life, journal: Journal, report: Report) -> None:
        """Hosts and state are told."""
        if not self._told or report.outcome not in ("done", "undone"):
            return
        stay = {machine.name for machine in self.world.machines}
        others = self.world.guests.union(journal.gone)
        end(lambda name: self._connect(life, name, ()), journal, report.outcome, stay, others, records=UNSEALED)
        settings = Settings(state=self.disk.path, cache=self._place)
        store.fold(lambda state: fold(Hold(settings, state, ()), journal, report))

    def live(self, episode: Episode) -> Report | None:
        """One process, unless the run was done."""
        if self._is_done():
            return None
        if self.world.inputs:
            self._plan_anew()
        return super().live(episode)

    def _plan_anew(self) -> None:
        """Who plans a run keeps what it needs in the state; with a run that is undone, that goes."""
        with lock(self.disk.path, "plan") as held:
            state = StateFile.load(self.disk.path, lock=held)
            if not state.records:
                keep_inputs(Hold(Settings(state=self.disk.path, cache=self._place), state, ()), self.world.inputs)

    def reach(self, goal: Direction) -> Direction:
        """Processes that nobody kills, until one reaches the goal, or the only end that is left."""
        return FORWARD if self._is_done() else super().reach(goal)

    def _is_done(self) -> bool:
        return [run["plan"] for run in self._state().runs if run["outcome"] == "done"][-1:] == [self.plan.digest]

    def _state(self) -> Snapshot:
        return StateFile.load(self.disk.path).snapshot

    def _connect(self, life: Life, name: str, calls: Sequence[Call]) -> FencedHost:
        machine = self.model.nodes[name].machine
        acts = lambda method: self._check_acts(calls, method)  # noqa: E731
        return FencedHost(name, machine, life, QUESTION, self.troubles, acts)

    def _check_acts(self, calls: Sequence[Call], method: str) -> None:
        for call in calls:
            if call.verb in (Verb.APPLY, Verb.UNDO):
                self.ledger.check_action(call.task, undoing=call.verb is Verb.UNDO)
            elif method not in LOOKING:
                self.complain(f"{call.task} was asked to {call.verb}, and its step called {method}")

    def _options(self, life: Life) -> dict[str, Any]:
        # A step of a killed process may raise whatever it likes.
        on_crash = lambda traceback: None if life.over else self.complain(traceback)  # noqa: E731
        return {
            "grace": self.grace,
            "secret": lambda name: self.world.secret(self.model, name),
            "artifact": self._artifact,
            "on_crash": on_crash,
        }

    def _artifact(self, sha256: str) -> Path:
        path = self._place / sha256
        with self.guard:  # two uploads of one artifact may begin at once
            if not path.exists():
                path.write_bytes(_artifacts()[sha256])
        return path

    def learnt(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Records are durable. No plan of ours may need an answer."""
        super().learnt(records)
        for record in records:
            if record["record"] == "ask":
                self.complain(f"{record['task']} asks: {record['error']}")
        self._written += 1
        if self.saves_every and self._written % self.saves_every == 0:
            self.saved.append(Saved(self))

    def afterwards(self, episode: Episode) -> None:
        """Time passes, or the power goes."""
        self.model.clock.advance(float(episode.meanwhile))
        if episode.reboot:
            self.model.power_cycle()

    # What there is ----------------------------------------------------------------------------------------------------

    def digest(self, *, issued: bool = True) -> Digest:
        """All that there is; if asked without what issued files hold."""
        self.model.settle()
        return digest(self.model, issued=issued)

    def check(self) -> None:
        """Nothing was wrong on the way, and nothing is left running."""
        assert not self.wrong, self.wrong
        assert not self.model.wrong, self.model.wrong
        for node in self.model.nodes.values():
            assert not node.machine.jobs.running


@cache
def _artifacts() -> dict[str, bytes]:
    """By their checksums."""
    return {hashlib.sha256(content).hexdigest(): content for content in supplies.contents().values()}


class _Attributed:
    """An executor that tells each host the calls for which it is used.

    Args:
        connect: gives a host by its name, for these calls.
        options: for the executor that carries them out.
    """

    def __init__(self, connect: Callable[[str, Sequence[Call]], FencedHost], options: Mapping[str, Any]) -> None:
        self._connect = connect
        self._options = options
        self._used: list[LocalExecutor] = []
        self._cancelled = False

    def perform(self, calls: Sequence[Call]) -> list[Outcome]:
        """Carry them out, by an executor of their own."""
        executor = LocalExecutor(lambda name: self._connect(name, calls), **self._options)
        self._used.append(executor)
        if self._cancelled:
            executor.cancel()
        return executor.perform(calls)

    def cancel(self) -> None:
        """Let steps that only wait end now."""
        self._cancelled = True
        for executor in list(self._used):
            executor.cancel()


@dataclass(frozen=True)
class Left:
    """What a world is when its plan is done: where the next story begins."""

    hosts: Saved
    state: bytes
    cluster: Cluster
    machines: tuple[Machine, ...]


@cache
def left_by(world: World) -> Left:
    """The end of a run in which nothing goes wrong."""
    with folder() as place:
        story = lived(world, place)
        state = StateFile.load(story.disk.path).snapshot
        machines = tuple(Machine.from_object(data) for data in state.machines)
        cluster = Cluster.from_object(state.cluster) if state.cluster else world.cluster
        return Left(Saved(story), story.disk.path.read_bytes(), cluster, machines)


def lived(world: World, place: Path, *, told: bool = True) -> RealStory:
    """A story in which nothing went wrong."""
    story = RealStory(world, place, told=told)
    report = story.live(Episode(FORWARD))
    assert report is not None
    assert report.outcome == "done", report.errors
    story.check()
    return story
