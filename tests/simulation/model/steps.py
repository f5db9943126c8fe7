"""Steps of every nature that the engine knows, over the cells of the model world."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily, NotYet
from klusterkit.engine.step import Before, Context, Observation, Repeat, Step, Undo


class CellStep(Step):
    """Brings a cell to a value, by way of ``stages`` values in between."""

    cell: str
    value: str
    stages: int = 0

    def observe(self, on: Context) -> Observation:
        return self.seen(_host(on).look(on, self.cell))

    def seen(self, value: str | None) -> Observation:
        return Observation(
            satisfied=value == self.value,
            before=self.before(value),
            partial=(value or "").startswith("part"),
            reason=f"it is {value}",
        )

    def before(self, value: str | None) -> dict[str, Any]:
        return {"value": value}

    @property
    def way(self) -> list[str]:
        return [f"part {number} of {self.value}" for number in range(self.stages)]

    def apply(self, on: Context, before: Before) -> None:
        _host(on).begins(on)
        for value in [*self.way, self.value]:
            _host(on).change(on, self.cell, value)

    def undo(self, on: Context, before: Before) -> None:
        for value in [*self.way, before["value"]]:
            _host(on).change(on, self.cell, value)


class Put(CellStep):
    """Short, one change, handed over with others."""

    kind: ClassVar[str] = "model.put"
    batch: ClassVar[bool] = True


class Build(CellStep):
    """Several changes; what was there is kept on the host, and only its digest in the journal."""

    kind: ClassVar[str] = "model.build"

    def before(self, value: str | None) -> dict[str, Any]:
        return {"digest": None if value is None else hashlib.sha256(value.encode()).hexdigest()}

    def apply(self, on: Context, before: Before) -> None:
        if before["digest"] is not None:
            _host(on).keep(self.cell, on.kept(self.cell))
        super().apply(on, before)

    def undo(self, on: Context, before: Before) -> None:
        kept = _host(on).kept(on.kept(self.cell)) if before["digest"] is not None else None
        if before["digest"] is not None and kept is None:
            return  # killed between its begin and its first act
        for value in [*self.way, kept]:
            _host(on).change(on, self.cell, value)


class Run(CellStep):
    """A program that outlives the connection, in both directions."""

    kind: ClassVar[str] = "model.run"

    def apply(self, on: Context, before: Before) -> None:
        self.run(on, [*self.way, self.value])

    def undo(self, on: Context, before: Before) -> None:
        self.run(on, [*self.way, before["value"]])

    def run(self, on: Context, stages: list[str | None]) -> None:
        argv = [on.task, "undo" if on.undoing else "apply", self.cell, *stages]
        ended = _host(on).job(on.key, argv, timeout=on.timeout)
        match ended.rc:
            case 0:
                return
            case 1:
                raise CommandFailed(f"{on.task}'s program failed", host=on.host.name)
            case _:
                raise CommandFailedTemporarily(f"{on.task}'s program failed with {ended.rc}", host=on.host.name)


class RunOnce(Run):
    """A program of which a second run may do harm."""

    kind: ClassVar[str] = "model.run-once"
    repeat: ClassVar[Repeat] = Repeat.ONCE


class Once(CellStep):
    """Changes of which a second time may do harm, and of which no program keeps a record."""

    kind: ClassVar[str] = "model.once"
    repeat: ClassVar[Repeat] = Repeat.ONCE


class Box(CellStep):
    """Something in which other steps put things; taking it back takes them too."""

    kind: ClassVar[str] = "model.box"


class Inside(CellStep):
    """Puts something into a box: its value is in the cell ``box/name``."""

    kind: ClassVar[str] = "model.inside"
    undoing: ClassVar[Undo] = Undo.CONTAINED

    def before(self, value: str | None) -> dict[str, Any]:
        return {}


class RunInside(Run):
    """A program that puts something into a box."""

    kind: ClassVar[str] = "model.run-inside"
    undoing: ClassVar[Undo] = Undo.CONTAINED

    def before(self, value: str | None) -> dict[str, Any]:
        return {}


class Gate(Step):
    """Waits until what it needs has been there for so many looks."""

    kind: ClassVar[str] = "model.gate"
    undoing: ClassVar[Undo] = Undo.NOTHING

    looks: int = 0
    patience: int = 5

    def observe(self, on: Context) -> Observation:
        return Observation(satisfied=_host(on).open(on, self.looks), reason="closed")

    def apply(self, on: Context, before: Before) -> None:
        for _ in range(self.patience):
            if _host(on).open(on, self.looks):
                return
        raise NotYet("the gate is closed", host=on.host.name)

    def verify(self, on: Context) -> None:
        """It ended by having seen it."""


class Final(CellStep):
    """A point of no return."""

    kind: ClassVar[str] = "model.final"
    undoing: ClassVar[Undo] = Undo.IRREVERSIBLE


def _host(on: Context) -> Any:
    """The host of the model, which knows more than the protocol."""
    return on.host
