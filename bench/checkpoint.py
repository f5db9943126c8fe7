"""What a checkpoint costs, by the size of the plan: it is an append, so the plan's size must not matter."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.figure import Figure, progress
from klusterkit.engine.journal import Journal, Record
from klusterkit.engine.plan import Plan, Task
from klusterkit.state import StateFile, lock
from klusterkit.tasks.files import TextFile

SMALL, LARGE = 100, 100_000
SAMPLES = 500


def figures() -> Iterator[Figure]:
    """Checkpoints with fsync in a plan of a hundred tasks and in one of a hundred thousand, taken in turn."""
    progress(f"checkpoints, plans of {SMALL} and {LARGE:,} tasks")
    # In the checkout: /tmp is in memory on many machines, and costs no flush there.
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder, contextlib.ExitStack() as stack:
        small, large = (stack.enter_context(_begun(Path(folder), size)) for size in (SMALL, LARGE))
        pairs = [(_checkpoint(small, number), _checkpoint(large, number)) for number in range(SAMPLES)]
    ours, theirs = (median(times) * 1000 for times in zip(*((large, small) for small, large in pairs), strict=True))
    yield Figure(
        f"checkpoint with fsync, {LARGE:,} tasks against {SMALL}",
        ours / theirs,
        1.5,
        note=f"{ours:.2f} ms against {theirs:.2f} ms, median of {SAMPLES} in turn",
    )


@contextlib.contextmanager
def _begun(folder: Path, size: int) -> Generator[Journal]:
    step = TextFile(path="/etc/x", content="x\n")
    tasks = tuple(Task(id=f"m{number}/file", host="m", step=step) for number in range(size))
    plan = Plan(operation="bench", lineage="bench", serial=1, tasks=tasks)
    path = folder / f"state-{size}.yaml"
    with lock(path, "bench") as held:
        yield Journal.open(StateFile.create(path, None, lock=held), plan, run="bench", who="bench")


def _checkpoint(journal: Journal, number: int) -> float:
    """Seconds until a task's ``begin`` is durable."""
    task = journal.plan.tasks[number % len(journal.plan.tasks)].id
    record = Record(record="begin", at=0.0, task=task, attempt=1, before={"type": "absent"})
    start = perf_counter()
    journal.write(record)
    return perf_counter() - start
