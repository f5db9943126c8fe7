"""A figure: what was measured, what it should be, and whether it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: the number; ratios are ours divided by theirs.
        target: at most this.
        unit: behind both numbers.
        note: what the number was made of, such as the absolute times.
    """

    name: str
    value: float
    target: float
    unit: str = ""
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the target is met."""
        return self.value <= self.target

    def line(self) -> str:
        """The figure as `make bench` prints it."""
        verdict = "ok" if self.ok else "short"
        return f"{self.name:<58} {self.value:>9.3f}{self.unit:<3} {self.target:>9.3f}{self.unit:<3} {verdict:<6} {self.note}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown."""
    rows = [
        f"| {figure.name} | {figure.value:.3f}{figure.unit} | {figure.target:.3f}{figure.unit} | "
        f"{'ok' if figure.ok else 'short'} | {figure.note} |"
        for figure in figures
    ]
    return "\n".join(["| figure | value | target | | |", "| --- | ---: | ---: | --- | --- |", *rows]) + "\n"


def seconds(action: Callable[[], object], times: int = 1) -> float:
    """The median wall time of an action."""
    taken: list[float] = []
    for _ in range(times):
        start = perf_counter()
        action()
        taken.append(perf_counter() - start)
    return median(taken)
