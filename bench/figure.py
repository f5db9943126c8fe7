"""A figure: what was measured, what it should be, and whether it is."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: the number; ratios are ours divided by theirs.
        target: at most this; None where there is no promise.
        unit: behind both numbers.
        note: what the number was made of, such as the absolute times.
    """

    name: str
    value: float
    target: float | None = None
    unit: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """``ok`` or ``short``; nothing where nothing was promised."""
        if self.target is None:
            return ""
        return "ok" if self.value <= self.target else "short"

    @property
    def numbers(self) -> tuple[str, str]:
        """The value and the target with their unit, as text."""
        return self._text(self.value), "" if self.target is None else self._text(self.target)

    def _text(self, number: float) -> str:
        rounded = f"{number:.3g}" if number < 100 else f"{number:.0f}"
        if number != self.target and self.target is not None and float(rounded) == self.target:
            rounded = f"{number:.4g}"  # or 0.9002 of at most 0.9 would be 0.9, and short
        return rounded + self.unit

    def line(self) -> str:
        """The figure as `make bench` prints it."""
        value, target = self.numbers
        return f"{self.name:<62} {value:>10} {target:>10} {self.verdict:<6} {self.note}".rstrip()


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown."""
    rows = [
        f"| {figure.name} | {' | '.join(figure.numbers)} | {figure.verdict} | {figure.note} |" for figure in figures
    ]
    return "\n".join(["| figure | value | at most | | made of |", "| --- | ---: | ---: | --- | --- |", *rows]) + "\n"


def took(action: Callable[[], object]) -> float:
    """The wall time of an action, in seconds."""
    start = perf_counter()
    action()
    return perf_counter() - start


def seconds(action: Callable[[], object], times: int = 1) -> float:
    """The median wall time of an action."""
    return median(took(action) for _ in range(times))


def spread(samples: Sequence[float]) -> str:
    """Several times in seconds, the median first: ``1.20 s (1.10 to 1.31)``."""
    return f"{median(samples):.2f} s ({min(samples):.2f} to {max(samples):.2f})"


def progress(text: str) -> None:
    """Say on standard error what is being measured."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def largest_resident_size(process: int | str = "self") -> float:
    """Of a process so far, in MB (10^6 bytes); 0 when it has just ended.

    Not getrusage's: that one starts with what the parent had when it started this process.
    """
    status = Path(f"/proc/{process}/status").read_text()
    return sum(int(size) * 1024 / 1e6 for size in re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE))
