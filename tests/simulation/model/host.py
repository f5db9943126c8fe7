"""A connection of one process to a host of the model world."""

from __future__ import annotations

from collections.abc import Sequence

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily, HostUnreachable, StepTimeout
from klusterkit.engine.host import Completed, JobState
from klusterkit.engine.step import Context
from tests.simulation.crash import Life
from tests.simulation.model.world import Program, World

FAULTS = ("", "temporary", "permanent", "lost", "hang", "late")
"""A fault of a change; with ``after `` before it, it comes when the change is made. ``late``: it hangs, and then acts
when nobody waits for it any more."""
LOOK_FAULTS = ("", "temporary", "permanent", "lost")


class ModelHost:
    """What steps of the model see of their host: cells, kept copies and long programs."""

    def __init__(self, world: World, life: Life, name: str) -> None:
        self._world = world
        self._life = life
        self.name = name

    def look(self, on: Context, cell: str) -> str | None:
        """What is in a cell."""
        self._reach()
        self._go_wrong(self._world.next_fault(on.task, "look"), on)
        with self._life.guard:
            self._life.moment(f"{on.task} looks")
            return self._world.cells.get((self.name, cell))

    def change(self, on: Context, cell: str, value: str | None) -> None:
        """Put something into a cell, or take it out (None)."""
        self._reach()
        fault = self._world.next_fault(on.task, "undo" if on.undoing else "apply")
        self._go_wrong("" if fault.startswith("after ") else fault, on)
        with self._life.guard:
            self._life.moment(f"before {on.task} changes {cell}")
            self._world.write(on.task, on.undoing, (self.name, cell), value)
            self._life.moment(f"after {on.task} changed {cell}")
        self._go_wrong(fault.removeprefix("after ") if fault.startswith("after ") else "", on)

    def begins(self, on: Context) -> None:
        """The step starts on its work."""
        with self._life.guard:
            self._life.moment(f"{on.task} starts")
            self._world.begins_once(self._world.plan.by_id[on.task])

    def open(self, on: Context, looks: int) -> bool:
        """Whether a gate is open: it takes so many looks after what it needs is there."""
        self._reach()
        self._go_wrong(self._world.next_fault(on.task, "look"), on)
        with self._life.guard:
            self._life.moment(f"{on.task} looks")
            if not self._world.holds(self._world.plan.by_id[on.task]):
                self._world.looks[on.task] = 0
                return False
            self._world.looks[on.task] = self._world.looks.get(on.task, 0) + 1
            return self._world.looks[on.task] > looks

    def keep(self, cell: str, place: str) -> None:
        """Keep a copy, unless there is one."""
        self._reach()
        with self._life.guard:
            self._life.moment(f"before {cell} is kept")
            value = self._world.cells.get((self.name, cell))
            if value is not None:
                self._world.kept.setdefault((self.name, place), value)
            self._life.moment(f"after {cell} was kept")

    def kept(self, place: str) -> str | None:
        """The copy that was kept."""
        self._reach()
        with self._life.guard:
            self._life.moment(f"look at {place}")
            return self._world.kept.get((self.name, place))

    def job(self, key: str, argv: Sequence[str | None], *, stdin: bytes = b"", timeout: float = 600.0) -> Completed:
        """Run a program: task, direction, cell, then what it writes there, stage by stage."""
        self._reach()
        program = self._started(key, argv)
        while True:
            self._reach()
            self._fail_program(program)
            with self._life.guard:
                self._life.moment(f"program {key} goes on")
                if program.status == "vanished":
                    raise CommandFailedTemporarily(f"program {key} is gone", host=self.name)
                if program.running:
                    self._world.ledger.acts(program.task)
                self._world.advance(program)
                self._life.moment(f"program {key} went on")
                if not program.running:
                    return Completed(rc=program.rc)

    def _started(self, key: str, argv: Sequence[str | None]) -> Program:
        task, direction, cell, *stages = argv
        with self._life.guard:
            self._life.moment(f"before program {key}")
            program = self._world.programs.get((self.name, key))
            if program is None:
                undoing = direction == "undo"
                if not undoing:
                    self._world.begins_once(self._world.plan.by_id[str(task)])
                program = Program(str(task), undoing, (self.name, str(cell)), list(stages))
                self._check_alone(program)
                self._world.programs[self.name, key] = program
            elif program.status == "vanished":
                self._world.complain(f"program {key} is gone, and was asked for again under its old key")
            self._life.moment(f"after program {key}")
            return program

    def _check_alone(self, program: Program) -> None:
        """No two programs of one task at once."""
        for key, other in self._world.programs.items():
            if other.running and other.task == program.task:
                self._world.complain(f"a program of {program.task} started while {key} runs")

    def _fail_program(self, program: Program) -> None:
        fault = self._world.next_fault(program.task, "undo" if program.undoing else "apply")
        with self._life.guard:
            self._life.moment(f"program of {program.task} may fail: {fault or 'no'}")
            match fault.removeprefix("after "):
                case "temporary" | "permanent" as how:
                    if program.running:
                        program.status, program.rc = "ended", 75 if how == "temporary" else 1
                case "hang" | "late":
                    if program.running:
                        program.status, program.rc = "ended", 124
                        raise StepTimeout(f"{program.task} took too long", host=self.name)
                case "lost":
                    raise HostUnreachable("connection lost", host=self.name)
                case _:
                    pass

    def job_state(self, key: str) -> JobState:
        """What the host knows of a program."""
        self._reach()
        with self._life.guard:
            self._life.moment(f"ask for program {key}")
            program = self._world.programs.get((self.name, key))
            if program is None:
                return JobState(status="none")
            completed = Completed(rc=program.rc, out=b"\xff\xfe not text") if program.status == "ended" else None
            return JobState(status=program.status, completed=completed)  # type: ignore[arg-type]

    def job_stop(self, key: str) -> None:
        """End a program."""
        self._reach()
        with self._life.guard:
            self._life.moment(f"before program {key} is stopped")
            program = self._world.programs.get((self.name, key))
            if program is not None and program.running:
                program.status, program.rc = "ended", 143
            self._life.moment(f"after program {key} was stopped")

    def _reach(self) -> None:
        with self._life.guard:
            calls = self._world.calls[self.name] = self._world.calls.get(self.name, 0) + 1
            outage = self._world.outages.get(self.name)
            if outage is None or calls < outage.at:
                return
            if outage.reboot and calls == outage.at:
                self._world.reboot(self.name)
            if calls < outage.at + outage.calls:
                raise HostUnreachable(f"{self.name} doesn't answer", host=self.name)

    def _go_wrong(self, fault: str, on: Context) -> None:
        if fault:
            self._life.moment(f"{on.task} meets: {fault}")
        match fault:
            case "temporary":
                raise CommandFailedTemporarily(f"{on.task} failed, for now", host=self.name)
            case "permanent":
                raise CommandFailed(f"{on.task} failed", host=self.name)
            case "lost":
                raise HostUnreachable("connection lost", host=self.name)
            case "hang":
                self._life.hang()
            case "late":
                self._life.hang(on.task)
            case _:
                pass
