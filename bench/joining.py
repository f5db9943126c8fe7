"""Ten workers join a cluster, against one: whatever needs no other is done side by side, or ten take ten times as long.

The hosts are simulated, the plan, the journal on disk and the runner are real. Each task takes, besides what it costs
this machine, as long as the plan expects of it on a real host.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from statistics import median

from bench.figure import Figure, progress, spread, took
from klusterkit.cluster import Role
from klusterkit.engine.executor import Call, Executor, Outcome, Verb
from klusterkit.engine.plan import Plan
from klusterkit.plans import reference
from tests.simulation.crash import Life, folder
from tests.simulation.real.story import RealStory
from tests.simulation.real.world import Beginning
from tests.simulation.real.worlds import Growth
from tests.simulation.story import FORWARD, Episode

MANY = 10
TURNS = 3
ROUND_TRIP = 0.002
"""Seconds that each batch of calls is on its way."""


def figures() -> Iterator[Figure]:
    """Ten against one, in turn."""
    samples: dict[int, list[float]] = {1: [], MANY: []}
    worlds = {count: Workers(count) for count in samples}
    for turn in range(TURNS):
        for count, taken in samples.items():
            with folder() as place:
                story = Delayed(worlds[count], place)
                taken.append(took(lambda story=story: _lived(story)))
            progress(f"joining, {turn + 1} of {TURNS}: {count} on simulated hosts: {taken[-1]:.1f} s")
    one, many = samples[1], samples[MANY]
    note = f"{spread(many)} against {spread(one)}, simulated hosts"
    yield Figure(f"{MANY} workers join, against one", median(many) / median(one), 1.2, note=note)


class Workers(Growth):
    """Workers join a cluster of one master.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        super().__init__(Beginning(spare=count), {f"10.0.0.{6 + number}": Role.NODE for number in range(count)})

    @cached_property
    def plan(self) -> Plan:
        """As it is: with the waits between attempts."""
        return self.compiled().checked()


class Delayed(RealStory):
    """A story in which everything takes its time."""

    def executor(self, life: Life) -> Executor:
        """One that is as slow as real hosts."""
        return _Slow(super().executor(life), _expected())


class _Slow:
    """Carries out calls by another executor, and takes as long as the plan expects.

    Args:
        carried_out_by: the other.
        seconds: by the names of tasks, without their hosts.
    """

    def __init__(self, carried_out_by: Executor, seconds: dict[str, float]) -> None:
        self._executor = carried_out_by
        self._seconds = seconds

    def perform(self, calls: Sequence[Call]) -> list[Outcome]:
        """Carry them out one after the other, each in its time."""
        outcomes = self._executor.perform(calls)
        acted = sum(self._seconds.get(_name(call.task), 0.0) for call in calls if call.verb is Verb.APPLY)
        time.sleep(ROUND_TRIP + acted)
        return outcomes

    def cancel(self) -> None:
        """Let steps that only wait end now."""
        self._executor.cancel()


def _expected() -> dict[str, float]:
    """What a plan with artifacts of real size expects of each task."""
    return {_name(task.id): task.cost for task in reference.PLANS["join-two-masters-one-worker"]().tasks}


def _name(task: str) -> str:
    return task.partition("/")[2]


def _lived(story: RealStory) -> None:
    report = story.live(Episode(FORWARD))
    assert report is not None
    assert report.outcome == "done", report.errors
    story.check()
