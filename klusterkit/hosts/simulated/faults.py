"""Faults that a test orders: calls that fail, hang, lose their connection, or in whose middle the caller dies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Moment = Literal["before", "middle", "after"]
MUTATING = frozenset({"write", "mkdir", "remove", "keep", "put_back", "upload", "run", "job", "job_stop"})


@dataclass(frozen=True)
class Call:
    """One call of a host's method."""

    host: str
    method: str
    args: tuple[str, ...]
    """Its paths, its program with arguments, or its key and program with arguments."""

    @property
    def mutating(self) -> bool:
        """Whether it may change the host."""
        return self.method in MUTATING


Match = str | Callable[[Call], bool]
"""Which calls: a method's name, or a function that tells."""


class SimulatedCrash(BaseException):  # not an Exception: like SIGKILL, nothing on its way out may handle it
    """The caller dies here."""


@dataclass
class Gate:
    """Holds a call (in real time) until a test lets it go."""

    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let the call go on."""
        self.released.set()


@dataclass
class _Order:
    match: Match
    act: Literal["fail", "hang", "block"]
    times: int
    error: BaseException | None = None
    gate: Gate | None = None

    def meets(self, call: Call) -> bool:
        return call.method == self.match if isinstance(self.match, str) else self.match(call)


class Faults:
    """What is to go wrong on one host. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: list[_Order] = []
        self._until_crash: int | None = None
        self._crash: tuple[Moment, BaseException] | None = None
        self.calls: list[Call] = []
        """All calls so far, in order."""

    def fail(self, match: Match, error: BaseException, times: int = 1) -> None:
        """The next ``times`` calls that match raise ``error`` and do nothing."""
        self._orders.append(_Order(match, "fail", times, error))

    def hang(self, match: Match, times: int = 1) -> None:
        """The next ``times`` calls that match take for ever: programs until their timeout ends them."""
        self._orders.append(_Order(match, "hang", times))

    def block(self, match: Match) -> Gate:
        """The next call that matches waits, in real time, until the gate is released."""
        gate = Gate()
        self._orders.append(_Order(match, "block", 1, gate=gate))
        return gate

    def crash(self, moment: Moment, mutation: int, error: BaseException | None = None) -> None:
        """The caller dies before, after or in the middle of the ``mutation``-th changing call from now (from 1).

        In the middle: of several files or paths the first half is done; a single file isn't written; a folder is
        made; a program or job has been started, and goes on.
        """
        with self._lock:
            self._until_crash = mutation
            self._crash = (moment, error or SimulatedCrash(f"{moment} change {mutation}"))

    @property
    def mutations(self) -> int:
        """How many changing calls there were."""
        return sum(call.mutating for call in self.calls)

    def enter(self, call: Call) -> Entered:
        """What is to happen to this call. Raises what is to happen before it."""
        with self._lock:
            self.calls.append(call)
            crash = self._due(call)
            order = self._take(call)
        if crash and crash[0] == "before":
            raise crash[1]
        if order and order.error is not None:
            raise order.error
        if order and order.gate:
            order.gate.reached.set()
            order.gate.released.wait()
        return Entered(hangs=order is not None and order.act == "hang", crash=crash)

    def _due(self, call: Call) -> tuple[Moment, BaseException] | None:
        if self._until_crash is None or not call.mutating:
            return None
        self._until_crash -= 1
        if self._until_crash:
            return None
        self._until_crash = None
        return self._crash

    def _take(self, call: Call) -> _Order | None:
        for order in self._orders:
            if order.times > 0 and order.meets(call):
                order.times -= 1
                return order
        return None


@dataclass(frozen=True)
class Entered:
    """What is to happen to a call that was let in."""

    hangs: bool
    crash: tuple[Moment, BaseException] | None

    @property
    def in_the_middle(self) -> bool:
        """Whether the caller dies in the middle of it."""
        return self.crash is not None and self.crash[0] == "middle"

    def leave(self) -> None:
        """Raise what is to happen now that it is (half) done."""
        if self.crash:
            raise self.crash[1]
