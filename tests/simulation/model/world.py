"""A few hosts in memory, that check what must hold whenever they are changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Repeat, Undo
from tests.simulation.ledger import Ledger

Cell = tuple[str, str]
"""A host and a name there; it holds a text or nothing."""


@dataclass
class Program:
    """A long program on a host: it writes one stage after the other, whoever looks on."""

    task: str
    undoing: bool
    cell: Cell
    stages: list[str | None]
    rc: int = 0
    status: str = "running"

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        return self.status == "running"


@dataclass
class Outage:
    """From its n-th call on (over all processes), a host doesn't answer so many calls."""

    at: int
    calls: int
    reboot: bool = False


@dataclass
class World:
    """What outlives a process: the hosts.

    ``faults`` go wrong, in this order, when a task changes its host (``apply``, ``undo``) or looks at it (``look``).
    """

    plan: Plan
    ledger: Ledger
    complain: Callable[[str], None]
    trace: list[str]
    initial: dict[Cell, str] = field(default_factory=dict)
    faults: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    outages: dict[str, Outage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cells = dict(self.initial)
        self.kept: dict[tuple[str, str], str] = {}
        self.programs: dict[tuple[str, str], Program] = {}
        self.looks: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self.allowed: set[str] = set()
        """Steps that may act on a half: the operator has said so."""

    # Truth: what is so on the hosts, whatever the journal says -----------------------------------------------------

    def cell_of(self, task: Task) -> Cell | None:
        """What a task changes; gates change nothing."""
        cell = getattr(task.step, "cell", None)
        return (task.host, cell) if cell is not None else None

    def holds(self, task: Task) -> bool:
        """Whether a task's work is there."""
        cell = self.cell_of(task)
        if cell is None:
            return all(self.stands(self.plan.by_id[need]) for need in task.needs)
        return self.cells.get(cell) == task.step.value  # type: ignore[attr-defined]

    def stands(self, task: Task) -> bool:
        """Whether what needs it may count on it: it is there, or the operator said to go on without."""
        return self.ledger.standing[task.id] == "skipped" or self.holds(task)

    def half(self, task: Task) -> bool:
        """Whether its work is there in part."""
        cell = self.cell_of(task)
        return cell is not None and (self.cells.get(cell) or "").startswith("part")

    # Changes -------------------------------------------------------------------------------------------------------

    def write(self, task_id: str, undoing: bool, cell: Cell, value: str | None) -> None:
        """A step changes a cell."""
        self.ledger.check_action(task_id, undoing=undoing)
        self.ledger.acts(task_id)
        self._check_alone(task_id)
        self._write(task_id, undoing, cell, value)

    def _check_alone(self, task_id: str) -> None:
        for program in self.programs.values():
            if program.running and program.task == task_id:
                self.complain(f"{task_id} acts while its own program runs")

    def _write(self, task_id: str, undoing: bool, cell: Cell, value: str | None) -> None:
        task = self.plan.by_id[task_id]
        self.trace.append(f"{'undo' if undoing else 'apply'} {task_id}: {cell[0]}:{cell[1]} = {value}")
        self._check_truth(task, undoing)
        if not undoing:
            self._check_once(task, cell)
        self._set(cell, value)

    def _set(self, cell: Cell, value: str | None) -> None:
        if value is None:
            for inside in [other for other in self.cells if other[0] == cell[0] and other[1].startswith(f"{cell[1]}/")]:
                del self.cells[inside]
            self.cells.pop(cell, None)
            return
        box = cell[1].rpartition("/")[0]
        if box and (cell[0], box) not in self.cells:
            self.complain(f"{cell} written into a box that isn't there")
        self.cells[cell] = value

    def _check_truth(self, task: Task, undoing: bool) -> None:
        if not undoing:
            for need in task.needs:
                if not self.stands(self.plan.by_id[need]):
                    self.complain(f"{task.id} acts, and {need} isn't there")
            return
        for after in self.plan.graph.successors(task.id):
            other = self.plan.by_id[after]
            cell = self.cell_of(other)
            if cell is None or other.step.undoing is Undo.CONTAINED:
                continue
            if self.cells.get(cell) != self.initial.get(cell):
                self.complain(f"{task.id} is undone under {after}")

    def _check_once(self, task: Task, cell: Cell) -> None:
        """What must not be done twice starts where nothing is, or where the operator said so."""
        if task.step.repeat is not Repeat.ONCE:
            return
        if self.cells.get(cell) == task.step.value:  # type: ignore[attr-defined]
            self.complain(f"{task.id} done twice")

    def begins_once(self, task: Task) -> None:
        """A step of which a second time may do harm begins to act, from its first stage."""
        cell = self.cell_of(task)
        fresh = cell is not None and self.cells.get(cell) == self.initial.get(cell)
        if task.step.repeat is Repeat.ONCE and not fresh and task.id not in self.allowed:
            self.complain(f"{task.id} begun a second time, and nobody said so")
        self.allowed.discard(task.id)

    def advance(self, program: Program) -> None:
        """The program goes on by one stage."""
        if not program.running:
            return
        if program.stages:
            self.ledger.check_program(program.task)
            self._write(program.task, program.undoing, program.cell, program.stages.pop(0))
        if not program.stages:
            program.status = "ended"

    def meanwhile(self, stages: int, *, reboot: bool = False) -> None:
        """What happens while no process looks: programs go on, or hosts lose their power."""
        for program in self.programs.values():
            for _ in range(stages):
                self.advance(program)
            if reboot and program.running:
                program.status = "vanished"

    def reboot(self, host: str) -> None:
        """Whatever runs there is gone."""
        self.trace.append(f"{host} reboots")
        for program in self.programs.values():
            if program.cell[0] == host and program.running:
                program.status = "vanished"

    def next_fault(self, task: str, what: str) -> str:
        """What goes wrong now; nothing is ``""``."""
        queue = self.faults.get((task, what))
        return queue.pop(0) if queue else ""
