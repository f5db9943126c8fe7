"""What is done before there is a plan: hosts are looked at, artifacts come. Nobody should wonder what takes so long."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console

from klusterkit.report.words import listed

_BEAT = 0.2
"""Seconds between two drawings of the line."""


class Preparing:
    """A line for each stage and, while artifacts come, how far that is.

    On a terminal that is one more line, drawn again and again and gone in the end; elsewhere each artifact that came
    gets a line of its own. Those that were here already are not worth one.
    """

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._live = screen.is_terminal and not screen.is_dumb_terminal
        self._lock = threading.Lock()
        self._coming: dict[str, int] = {}
        self._here = self._came = 0
        self._drawn = 0.0

    def __enter__(self) -> Preparing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._clear()

    def stage(self, what: str) -> None:
        """Say what is done from now on."""
        with self._lock:
            self._clear()
            self._screen.print(what, style="quiet", soft_wrap=True)

    def came(self, name: str, size: int) -> None:
        """Count bytes of an artifact."""
        with self._lock:
            self._coming[name] = self._coming.get(name, 0) + size
            self._came += size
            self._draw()

    def ended(self, name: str) -> None:
        """Count an artifact."""
        with self._lock:
            self._here += 1
            size = self._coming.pop(name, None)
            if size is not None and not self._live:
                self._screen.print(f"fetched {name}, {_mebibytes(size)}", style="quiet", soft_wrap=True)
            self._draw()

    def _draw(self) -> None:
        now = time.monotonic()
        if not self._live or now - self._drawn < _BEAT:
            return
        coming = f": {listed(list(self._coming), 2)}" if self._coming else ""
        line = f"{self._here} here, {_mebibytes(self._came)} fetched{coming}"
        self._write(f"\r\x1b[K{line[: self._screen.width - 1]}")
        self._drawn = now

    def _clear(self) -> None:
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = 0.0

    def _write(self, text: str) -> None:
        self._screen.file.write(text)
        self._screen.file.flush()


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
