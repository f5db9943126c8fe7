"""Looking at a run without getting in its way: events go into a queue, and a thread of its own shows them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Protocol, Self

from klusterkit.engine.events import Event


class View(Protocol):
    """Something that shows events. All of it is called from one thread."""

    beat: float
    """Seconds between two beats."""

    def show(self, event: Event) -> None:
        """Show what has happened."""
        ...

    def tick(self) -> None:
        """Show that time has passed."""
        ...

    def close(self) -> None:
        """Leave the screen tidy."""
        ...


class Watch:
    """Shows a run's events through a view. A view that fails is left alone; the run never learns of it.

    Args:
        view: opens the view, in the thread that will use it.
    """

    def __init__(self, view: Callable[[], View]) -> None:
        self._open = view
        self._told = False
        # A SimpleQueue, because a signal handler may interrupt somebody who is putting, and puts as well.
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._show, name="view", daemon=True)

    def tell(self, event: Event) -> None:
        """Take an event; returns at once."""
        self._told = True
        self._events.put(event)

    def anything(self) -> bool:
        """Whether anything has happened yet."""
        return self._told

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.put(None)
        self._thread.join(timeout=5.0)  # a terminal that has stopped taking output must not hold up the command

    def _show(self) -> None:
        with contextlib.suppress(Exception):
            view = self._open()
            with contextlib.closing(view):
                while self._shown(view):
                    if self._events.empty():
                        view.tick()

    def _shown(self, view: View) -> bool:
        """Show the next event, if one comes before the beat. Whether there will be more."""
        with contextlib.suppress(Empty):
            event = self._events.get(timeout=view.beat)
            if event is None:
                return False
            view.show(event)
        return True
