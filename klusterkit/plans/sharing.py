"""What several hosts need is sent from here once: the others get it from each other, along a tree.

A pure pass over the tasks of a plan: uploads of the same artifact to several hosts become one upload and fetches. Each
host fetches from one that comes before it in the tree, and goes up from there where that one doesn't have it; what no
host gives is sent from here after all. So a host that fails holds nobody up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from klusterkit.cluster import host_and_port
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Retry, Task
from klusterkit.tasks.artifacts import Upload
from klusterkit.tasks.asked import PEER_CLIENTS, PEER_SERVER
from klusterkit.tasks.peers import PORT, EndServing, Fetch, Serve

BRANCHES = 3
"""Hosts that fetch from one. More would share its link for longer before anybody could pass anything on; fewer make the
tree deeper, and what all wait for comes late (the time to all of n hosts is k log_k n, least at e).
"""
FETCH_SPEED = 150e6
"""Bytes a second from host to host with several at it, on two processors (lab)."""


@dataclass(frozen=True)
class Peer:
    """A host as the others see it."""

    name: str
    address: str
    serves: bool
    fetches: bool

    @classmethod
    def of(cls, name: str, address: str, facts: Facts) -> Peer:
        """From what is known of a host. One behind address translation can't serve at the address that others know."""
        own = {each.partition("/")[0] for each in facts.addresses}
        serves = PEER_SERVER in facts.programs and address in own and PORT not in facts.listening
        return cls(name, address, serves, any(client in facts.programs for client in PEER_CLIENTS))

    @property
    def place(self) -> str:
        """Where it serves."""
        return host_and_port(self.address, PORT)

    @property
    def serving(self) -> str:
        """The task by which it does."""
        return f"{self.name}/peers/serve"


@dataclass
class _Sharing:
    peers: dict[str, Peer]
    seeds: int
    """So many of the first hosts take turns in being the first."""
    sources: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By host, the tasks that fetch from it."""

    def shared(self, uploads: Sequence[Task], turn: int, holders: Sequence[Peer]) -> Mapping[str, Task]:
        """The tasks that bring one artifact to several hosts, by their ids."""
        there = [peer for peer in holders if peer.serves]
        by_host = {task.host: task for task in uploads}
        waiting = _in_line([self.peers[name] for name in by_host], self.seeds, turn)
        found: dict[str, Task] = {}
        if not there:
            seed = waiting.pop(0)
            found[by_host[seed.name].id] = by_host[seed.name]
            there = [seed]
        line = [*there, *waiting]
        for index, peer in enumerate(waiting):
            task = by_host[peer.name]
            chain = _ordered([line[at] for at in _upwards(index, len(there)) if line[at].serves])
            found[task.id] = self._fetch(task, peer, chain, by_host) if chain and peer.fetches else task
        return found

    def _fetch(self, task: Task, peer: Peer, chain: Sequence[Peer], uploads: Mapping[str, Task]) -> Task:
        step = task.step
        assert isinstance(step, Upload)  # noqa: S101 - only those are collected
        for each in chain:
            self.sources.setdefault(each.name, []).append(task.id)
        fetch = Fetch(name=step.name, sha256=step.sha256, size=step.size, peers=tuple(each.place for each in chain))
        nearest = chain[0]
        earlier = [uploads[nearest.name].id] if nearest.name in uploads else []
        changes = {
            "step": fetch,
            "after": (*earlier, nearest.serving),
            "budgets": tuple(budget for budget in task.budgets if budget.partition("/")[2] == peer.name),
            "cost": 0.2 + step.size / FETCH_SPEED,
        }
        return task.model_copy(update=changes)

    def with_servers(self, tasks: Iterable[Task]) -> list[Task]:
        """All tasks, each server before the first upload to its host, and its end last.

        Started among a host's uploads, a server takes ten times as long, and all the others wait for it.
        """
        found: list[Task] = []
        started: set[str] = set()
        for task in tasks:
            if task.host in self.sources and isinstance(task.step, Upload):
                server = self._serve(self.peers[task.host], task.needs)
                if task.host not in started:
                    started.add(task.host)
                    found.append(server)
                task = task.model_copy(update={"after": (*task.after, server.id)})
            found.append(task)
        begun = [self._serve(self.peers[name], ()) for name in self.sources if name not in started]
        return [*begun, *found, *map(self._end, self.sources)]

    def _serve(self, peer: Peer, needs: tuple[str, ...]) -> Task:
        # Nobody waits for it for long, or again: what can't be had from it comes from here.
        once, step = Retry(attempts=1), Serve(address=peer.address)
        return Task(id=peer.serving, host=peer.name, step=step, needs=needs, cost=0.2, timeout=20.0, retry=once)

    def _end(self, name: str) -> Task:
        peer, fetches = self.peers[name], tuple(self.sources[name])
        end = EndServing()
        return Task(id=f"{name}/peers/end", host=name, step=end, needs=(peer.serving,), after=fetches, cost=0.1)


def _ordered(chain: Sequence[Peer]) -> Sequence[Peer]:
    """Those that have it by then: one that can't fetch is sent it from here, and waits for none of those above it."""
    first = next((at for at, peer in enumerate(chain) if not peer.fetches), len(chain))
    return chain[: first + 1]


def share(
    tasks: Sequence[Task],
    peers: Iterable[Peer],
    *,
    seeds: int | None = None,
    holders: Mapping[str, Sequence[str]] | None = None,
) -> list[Task]:
    """The same tasks, with each artifact sent from here once.

    Args:
        tasks: of a plan.
        peers: its hosts, the most urgent first.
        seeds: so many of the first hosts are sent artifacts from here, in turn; None for all.
        holders: by SHA-256, hosts that have an artifact already.
    """
    by_name = {peer.name: peer for peer in peers}
    sharing = _Sharing(by_name, seeds or len(by_name))
    order = {name: place for place, name in enumerate(sharing.peers)}
    uploads: dict[str, list[Task]] = {}
    for task in sorted(tasks, key=lambda task: order.get(task.host, len(order))):
        if isinstance(task.step, Upload) and task.host in order:
            uploads.setdefault(task.step.sha256, []).append(task)
    changed: dict[str, Task] = {}
    for number, (sha256, those) in enumerate(uploads.items()):
        there = [sharing.peers[name] for name in (holders or {}).get(sha256, ())]
        if len({task.host for task in those}) == len(those) and len(those) + len(there) > 1:
            changed |= sharing.shared(those, number, there)
    return sharing.with_servers(changed.get(task.id, task) for task in tasks) if sharing.sources else list(tasks)


def _in_line(peers: Sequence[Peer], seeds: int, turn: int) -> list[Peer]:
    """Those that can pass something on before those that can't, and of them the first ones in turn."""
    serving = [peer for peer in peers if peer.serves]
    first, others = serving[:seeds], serving[seeds:]
    at = turn % len(first) if first else 0
    return [*first[at:], *first[:at], *others, *(peer for peer in peers if not peer.serves)]


def _upwards(index: int, roots: int) -> list[int]:
    """Places in the line that the one at ``index`` behind the roots may fetch from, the nearest first."""
    chain: list[int] = []
    at = index + roots
    while at >= roots:
        at = (at - roots) // BRANCHES
        chain.append(at)
    return chain
