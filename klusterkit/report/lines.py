"""A run as plain lines, for logs and pipes."""

from __future__ import annotations

import time

from rich.console import Console
from rich.text import Text

from klusterkit.engine.events import Event
from klusterkit.report.ending import words_of
from klusterkit.report.progress import Progress
from klusterkit.report.words import clock, duration, listed

SILENCE = 30.0
"""Seconds without a line after which one says what is being waited for."""

ENDINGS = {
    "done": ("done", "good"),
    "unchanged": ("is so already", "quiet"),
    "undone": ("undone", "good"),
    "failed": ("FAILED", "bad"),
    "stuck": ("can't be undone", "bad"),
    "asked": ("has to be decided", "care"),
}


class Lines:
    """One line for each task that ends, and for each attempt that is made again."""

    beat = 1.0

    def __init__(self, screen: Console, progress: Progress) -> None:
        self._screen = screen
        self._progress = progress
        self._said = time.monotonic()

    def show(self, event: Event) -> None:
        """Print the event, if it is worth a line."""
        self._progress.learn(event)
        line = ended(event, self._progress.took)
        if event.event == "retrying" and event.task is not None:
            line = Text.assemble((event.task, "place"), " again: ", self._progress.running[event.task].note)
        elif event.event == "stopping":
            line = waiting(self._progress)
        if line is not None:
            self._print(event.at, line)

    def tick(self) -> None:
        """After a long silence, say what is being waited for."""
        if time.monotonic() - self._said >= SILENCE and self._progress.running:
            acting = "undoing" if self._progress.back else "running"
            self._print(time.time(), Text(f"{self._progress.counted}, {acting}: {running(self._progress)}"))

    def close(self) -> None:
        """Nothing is left to tidy."""

    def _print(self, at: float, line: Text) -> None:
        self._screen.print(Text.assemble((clock(at), "quiet"), " ", line), soft_wrap=True)
        self._said = time.monotonic()


def ended(event: Event, took: float) -> Text | None:
    """A task's end in words: ``m1/etcd/start done in 0.8 s``; None for other events."""
    if event.task is None or event.event not in ENDINGS:
        return None
    words, style = ENDINGS[event.event]
    line = Text.assemble((event.task, "place"), " ", (words, style))
    if event.error is not None:
        line.append(f": {words_of(event.task, event.error)}")
    elif event.event != "unchanged":
        line.append(f" in {duration(took)}")
    return line


def running(progress: Progress) -> str:
    """What runs now, the oldest first: ``m1/etcd/start (12 s)``."""
    oldest = sorted(progress.running.values(), key=lambda there: there.since)
    return listed([f"{there.task} ({duration(progress.now() - there.since)})" for there in oldest])


def waiting(progress: Progress) -> Text:
    """What a run that was asked to stop still waits for."""
    rest = f"waiting for {running(progress)}; Ctrl-C again waits no longer" if progress.running else "nothing runs"
    return Text.assemble(("stopping: ", "care"), rest)
