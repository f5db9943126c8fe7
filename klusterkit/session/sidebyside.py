"""Machines asked side by side, in bounded time: one that is gone holds up nobody."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from klusterkit.engine.errors import HostUnreachable, KlusterKitError

AT_ONCE = 128

Answer = TypeVar("Answer")


class SideBySide:
    """Asks machines by their names, again and again.

    Args:
        longest: seconds for all of them together. One that has not answered by then is told as such.
        last_asked: when somebody was last thinking about a question of ours, on the monotonic clock: that takes the
            time that it takes, and is no host's delay.
    """

    def __init__(self, longest: float, last_asked: Callable[[], float] = lambda: 0.0) -> None:
        self._longest = longest
        self._last_asked = last_asked
        self._turns = threading.Semaphore(AT_ONCE)
        self._busy: set[str] = set()
        """Machines that an earlier question is still waiting for: they aren't asked another one."""

    def ask(self, names: Iterable[str], question: Callable[[str], Answer]) -> dict[str, Answer | KlusterKitError]:
        """What each machine answers, or why it doesn't."""
        asked = _Round[Answer](question, self._turns, self._busy)
        found: dict[str, Answer | KlusterKitError] = {name: self._no_answer(name) for name in names}
        began = time.monotonic()
        names = [name for name in found if name not in self._busy]
        return found | asked.answers(names, lambda: max(began, self._last_asked()) + self._longest)

    def _no_answer(self, name: str) -> HostUnreachable:
        return HostUnreachable(
            f"{name} gives no answer",
            host=name,
            seen=f"nothing within {self._longest:g} s",
            hint="see whether the host is on, and not out of memory or disk",
        )


class _Round(Generic[Answer]):
    def __init__(self, question: Callable[[str], Answer], turns: threading.Semaphore, busy: set[str]) -> None:
        self._question = question
        self._turns = turns
        self._busy = busy
        self._queue: SimpleQueue[tuple[str, Answer | KlusterKitError]] = SimpleQueue()

    def answers(self, names: list[str], until: Callable[[], float]) -> dict[str, Answer | KlusterKitError]:
        self._busy.update(names)
        for name in names:  # threads that nobody waits for: one that never ends is left behind with the command
            threading.Thread(target=self._ask, args=(name,), daemon=True).start()
        found: dict[str, Answer | KlusterKitError] = {}
        while len(found) < len(names) and (left := until() - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                name, answer = self._queue.get(timeout=left)
                found[name] = answer
        return found

    def _ask(self, name: str) -> None:
        with self._turns:
            try:
                answer = self._question(name)
            except KlusterKitError as error:
                answer = error
            except Exception as error:  # noqa: BLE001 - one machine's nonsense must not hide the others
                answer = KlusterKitError(f"{name} answers what can't be understood", host=name, seen=repr(error))
            self._busy.discard(name)
            self._queue.put((name, answer))
