"""What a checkpoint costs, by the size of the plan: it is an append, so the plan's size must not matter."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.figure import Figure
from klusterkit.engine.journal import Journal, Record
from klusterkit.engine.plan import Plan, Task
from klusterkit.state import StateFile, lock
from klusterkit.tasks.files import TextFile

SMALL, LARGE = 100, 100_000
SAMPLES = 200


def figures() -> Iterator[Figure]:
    """Checkpoints with fsync in a plan of a hundred tasks and in one of a hundred thousand, taken in turn."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        small, large = (list(_samples(Path(folder), size)) for size in (SMALL, LARGE))
    ours, theirs = median(large) * 1000, median(small) * 1000
    yield Figure(
        f"checkpoint with fsync, {LARGE:,} tasks against {SMALL}",
        ours / theirs,
        1.5,
        note=f"{ours:.2f} ms against {theirs:.2f} ms",
    )


def _samples(folder: Path, size: int) -> Iterator[float]:
    step = TextFile(path="/etc/x", content="x\n")
    tasks = tuple(Task(id=f"m{number}/file", host="m", step=step) for number in range(size))
    plan = Plan(operation="bench", lineage="bench", serial=1, tasks=tasks)
    path = folder / f"state-{size}.yaml"
    with lock(path, "bench") as held:
        journal = Journal.open(StateFile.create(path, None, lock=held), plan, run="bench", who="bench")
        for number in range(SAMPLES):
            record = Record(record="begin", at=0.0, task=f"m{number % size}/file", attempt=1, before={})
            start = perf_counter()
            journal.write(record)
            yield perf_counter() - start
