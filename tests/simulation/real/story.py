"""A real plan on simulated hosts, lived through by one process after the other."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from klusterkit.engine.executor import Call, Executor, LocalExecutor, Outcome, Verb
from klusterkit.engine.host import HOME, Entry
from tests.simulation.crash import Life, folder
from tests.simulation.real.host import FencedHost
from tests.simulation.real.troubles import Troubles
from tests.simulation.real.worlds import QUESTION, World
from tests.simulation.story import FORWARD, Episode, Story
from tests.unit.plans import supplies

ISSUED = re.compile(
    r"/etc/etcd/pki/.*|/var/lib/etcd/member/wal/.*|/var/lib/kubelet/pki/.*"
    r"|/etc/kubernetes/(pki/)?[^/]*\.(key|crt|conf)"
)
"""Files whose content is another each time that they are made, as keys and logs are."""
UNORDERED = re.compile(r"/proc/(filter|self|net)/.*")
"""Whose lines come in the order in which pods happened to start."""
MOVING = ("/run/", "/sys/module", "/proc/sys/net/bridge", "/var/log/pods/", "/var/log/containers/")
"""Gone with the next boot, as what modules bring that something still uses on the way back. And logs, in folders that
were there before."""
NAMESPACES = "/run/netns/"
LOOKING = ("run", "job_stop")
"""What a step may call though it only looks: some looks take a program."""

Digest = dict[str, Any]


class Saved:
    """Hosts as they were at one moment, with the journal as it was then."""

    def __init__(self, story: RealStory) -> None:
        self._journal = story.disk.path.read_bytes()
        self._now = story.model.clock.now()
        self._hosts = [node.machine.snapshot() for node in story.model.nodes.values()]

    def restore(self, story: RealStory) -> None:
        """Let it be so again."""
        story.disk.path.write_bytes(self._journal)
        story.model.clock.sleep_until(self._now)
        for node, snapshot in zip(story.model.nodes.values(), self._hosts, strict=True):
            node.machine.restore(snapshot)


class RealStory(Story):
    """A plan of KlusterKit's own, lived through.

    Args:
        world: hosts and plan.
        place: a folder for the state file, and for artifacts.
        at_once: as the runner takes it; with 1, the same moments come in every run.
    """

    def __init__(self, world: World, place: Path, *, at_once: int = 256) -> None:
        super().__init__(world.plan, place, threading.RLock(), at_once=at_once)
        self.model = world.hosts()
        self.troubles = Troubles()
        self.saved: list[Saved] | None = None
        """What a kill after each record would leave, from when this is a list."""
        self._place = place
        self.before = self.digest()

    # Processes --------------------------------------------------------------------------------------------------------

    def executor(self, life: Life) -> Executor:
        """One whose hosts know for which tasks they are called."""
        return _Attributed(lambda name, calls: self._connect(life, name, calls), self._options(life))

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
            "secret": supplies.secrets().__getitem__,
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
        if self.saved is not None:
            self.saved.append(Saved(self))

    def afterwards(self, episode: Episode) -> None:
        """Time passes, or the power goes."""
        self.model.clock.advance(float(episode.meanwhile))
        if episode.reboot:
            self.model.power_cycle()

    # What there is ----------------------------------------------------------------------------------------------------

    def digest(self, *, issued: bool = True) -> Digest:
        """All that there is on the hosts but KlusterKit's own folder; if asked without what issued files hold."""
        found: Digest = {}
        for name, node in self.model.nodes.items():
            found[f"{name} units"] = node.machine.systemd.active
            for entry in node.machine.tree.walk(without=HOME):
                if not entry.path.startswith(MOVING) or entry.path.startswith(NAMESPACES):
                    found[f"{name}:{entry.path}"] = self._shown(name, entry, issued=issued)
        return found

    def _shown(self, host: str, entry: Entry, *, issued: bool) -> Any:
        if entry.type == "file" and UNORDERED.fullmatch(entry.path):
            return sorted(self.model.nodes[host].machine.tree.read(entry.path).decode().splitlines())
        if not issued and ISSUED.fullmatch(entry.path):
            return entry.model_copy(update={"sha256": "", "size": 0})
        return entry

    def check(self) -> None:
        """Nothing was wrong on the way, and nothing is left running."""
        assert not self.wrong, self.wrong
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


def undisturbed(world: World) -> Digest:
    """The hosts after a run in which nothing goes wrong."""
    with folder() as place:
        story = RealStory(world, place)
        report = story.live(Episode(FORWARD))
        assert report is not None
        assert report.outcome == "done", report.errors
        story.check()
        return story.digest(issued=False)


def differing(one: Digest, other: Digest) -> dict[str, tuple[Any, Any]]:
    """What is not the same in two digests: a reader of a failed test wants that and no more."""
    names = sorted({*one, *other})
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}
