"""A process that can be killed at any moment, and what it leaves on disk.

``kill -9`` stops all threads of a process at once. Here its threads are real and can't be stopped, so everything that
they can do to the outside, which is to write the journal and to call a host, goes through their :class:`Life`: once
that is over, nothing that they do takes effect any more.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from klusterkit.state import StateFile, StateNotWritable, lock

Told = Callable[[Sequence[Mapping[str, Any]]], None]


class Dead(Exception):
    """The process was killed: whoever gets this is a thread of it."""


class Life:
    """One process, from its start to its end or its kill.

    Args:
        guard: held while the outside is changed; all lives of one world share it.
        burns_at: the process is killed at its n-th moment (from 1); None lets it live.
        tear: which part of what was being written is on disk if it is killed while writing, from 0 to 1.
        full_at: from its n-th on, writes to the journal fail for want of space.
    """

    def __init__(
        self,
        guard: threading.RLock,  # type: ignore[valid-type]
        *,
        burns_at: int | None = None,
        tear: float = 0.5,
        full_at: int | None = None,
        trace: list[str] | None = None,
    ) -> None:
        self.guard = guard
        self.changed = threading.Condition(guard)
        self.tear = tear
        self.trace = trace if trace is not None else []
        self.moments: list[str] = []
        self.over = False
        self._burns_at = burns_at
        self._full_at = full_at
        self._writes = 0
        self._given_up: set[str] = set()

    @property
    def burns_next(self) -> bool:
        """Whether the next moment is the one at which it is killed."""
        return len(self.moments) + 1 == self._burns_at

    def moment(self, what: str) -> None:
        """Something is about to happen, or just has: the process may die here."""
        with self.guard:
            if self.over:
                raise Dead(what)
            self.moments.append(what)
            self.trace.append(what)
            if len(self.moments) == self._burns_at:
                self.trace.append("KILLED")
                self.end()
                raise Dead(what)

    def end(self) -> None:
        """Nothing that this process does has any effect from now on."""
        with self.guard:
            self.over = True
            self.changed.notify_all()

    def refuse_when_full(self) -> None:
        """Raise for the journal what a full disk raises."""
        self._writes += 1
        if self._full_at is not None and self._writes >= self._full_at:
            raise StateNotWritable("no space left", where="the state file", hint="make room")

    def give_up(self, task: str) -> None:
        """The runner has stopped waiting for this task."""
        with self.guard:
            self._given_up.add(task)
            self.changed.notify_all()

    def hang(self, task: str | None = None) -> None:
        """Come back never, or only when nobody waits for this task any more."""
        with self.guard:
            while not self.over and (task is None or task not in self._given_up):
                self.changed.wait()
            if self.over:
                raise Dead("hung")


@contextlib.contextmanager
def folder() -> Generator[Path]:
    """A folder for a state file, in memory where there is such a place: thousands of them are written and flushed."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


class Disk:
    """A real state file, that outlives processes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cctl-state.yaml"
        StateFile.create(self.path, None)

    @contextlib.contextmanager
    def opened(self, life: Life, durable: Told = lambda _: None) -> Generator[FencedStore]:
        """The journal as this process has it; the kernel frees its lock when it ends."""
        with lock(self.path, "simulated") as held:
            yield FencedStore(StateFile.load(self.path, lock=held), life, durable)

    def records(self) -> Sequence[Mapping[str, Any]]:
        """What is on disk."""
        return StateFile.load(self.path).records


class FencedStore:
    """The store of one process: a kill may come before, in, and after each write.

    Args:
        state: where records are kept.
        life: of the process.
        durable: told records as soon as they are on disk.
    """

    def __init__(self, state: StateFile, life: Life, durable: Told) -> None:
        self._state = state
        self._life = life
        self._durable = durable

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """Those of the run in progress."""
        return self._state.records

    @property
    def ended(self) -> int:
        """How many runs have ended."""
        return len(self._state.snapshot.runs)

    @property
    def next_serial(self) -> int:
        """Of the state, when the run in progress has ended."""
        return self._state.snapshot.serial + 1

    def fold(self, fold: Callable[[StateFile], None]) -> None:
        """End the run: the file is replaced as a whole, or stays."""
        with self._life.guard:
            self._life.moment("before folding")
            self._life.refuse_when_full()
            fold(self._state)
            self._life.moment("folded")

    def append(self, *records: Mapping[str, Any]) -> None:
        """Add records."""
        words = ", ".join(_words(record) for record in records)
        with self._life.guard:
            self._life.moment(f"before writing {words}")
            self._life.refuse_when_full()
            size = self._state.path.stat().st_size
            self._state.append(*records)
            try:
                self._life.moment(f"writing {words}")
            except Dead:
                self._tear(size)
                raise
            self._durable(records)
            self._life.moment(f"wrote {words}")

    def _tear(self, size: int) -> None:
        written = self._state.path.stat().st_size - size
        os.truncate(self._state.path, size + round(written * self._life.tear))


def _words(record: Mapping[str, Any]) -> str:
    return " ".join(
        str(record[name]) for name in ("record", "direction", "task", "attempt", "choice") if name in record
    )
