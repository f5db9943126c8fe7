"""A step: one thing that can be made so on one host, proved, and undone. The vocabulary is in ``klusterkit.tasks``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny

from klusterkit.engine.errors import PlanInvalid, VerificationFailed
from klusterkit.engine.host import HOME, Host

_KEPT = f"{HOME}/kept"

Before = Mapping[str, Any]
"""What undo puts back, as plain data: a few values, or the names of copies that are kept on the host."""


class Undo(StrEnum):
    """What going back means for a kind of step. The plan shows it before anything runs."""

    EXACT = "exact"
    """Undo puts back what was there."""
    NOTHING = "nothing"
    """The step changes nothing that lasts: there is nothing to undo."""
    CONTAINED = "contained"
    """What it changes lives inside something that another step of the plan takes back as a whole."""
    IRREVERSIBLE = "irreversible"
    """A point of no return: once begun, the run can only be finished."""


class Repeat(StrEnum):
    """Whether a step whose end is unknown may simply be applied again."""

    CONVERGENT = "convergent"
    """Applying it twice, or over a half, gives the same."""
    ONCE = "once"
    """Only the host's record or a look can tell; where they can't, the operator decides."""


class Observation(BaseModel):
    """What a step sees on its host. Observing changes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    satisfied: bool
    """It already is as the step wants it."""
    before: dict[str, Any] = {}
    """What undo would put back if the step were applied now. Equal values mean an equal state of the host."""
    partial: bool = False
    """It looks like this step's own work, begun and not ended."""
    reason: str = ""
    """Why it is not satisfied, in the operator's words: ``mode 644, wanted 600``."""


class Difference(BaseModel):
    """One thing that applying a step would change, for ``cctl plan --diff``. Secrets are masked in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    """A path, a unit, an object."""
    old: str | None = None
    """Text that is there now; None where there is nothing or where it isn't text."""
    new: str | None = None
    note: str = ""
    """In words, where texts can't be compared."""


@dataclass(frozen=True)
class Context:
    """Where and for whom a step acts."""

    host: Host
    run: str
    """Names the run: what it keeps on hosts carries this name."""
    task: str
    keeper: str = ""
    """``RUN/TASK`` of an earlier run, where its work is taken back: from the copies that were kept in its name."""
    attempt: int = 1
    undoing: bool = False
    timeout: float = 120.0
    """Seconds that this attempt may take in all."""
    secret: Callable[[str], bytes] = field(default=lambda name: _no_secret(name), repr=False)
    """The value of a secret by its name in the state file. Never to be logged, journaled or put into an argument."""
    artifact: Callable[[str], Path] = field(default=lambda sha256: _no_artifact(sha256), repr=False)
    """The control machine's verified copy of an artifact, by SHA-256."""
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set when the run is to stop: a step that only waits raises ``Cancelled`` then."""

    @property
    def key(self) -> str:
        """Names this attempt's long program on the host: a step starts one in ``apply`` and one in ``undo`` at most."""
        return f"{_names(self.run, self.task)}/{'undo-' if self.undoing else ''}{self.attempt}"

    def as_attempt(self, number: int, *, undoing: bool) -> Context:
        """The same place, at another attempt."""
        return replace(self, attempt=number, undoing=undoing)

    def in_the_place_of(self, run: str, task: str) -> Context:
        """The same place, for taking back what an earlier run's task did. Programs are still this task's own."""
        return replace(self, keeper=_names(run, task))

    def kept(self, path: str) -> str:
        """Where this task keeps what stood at ``path`` before it acted."""
        return f"{_KEPT}/{self.keeper or _names(self.run, self.task)}/{path.strip('/').replace('/', '%')}"


def copies_of(run: str, task: str) -> str:
    """The folder in which a task keeps what was there before it acted.

    Args:
        run: its name and the round: ``RUN.ROUND``.
        task: its id.
    """
    return f"{_KEPT}/{_names(run, task)}"


def _names(run: str, task: str) -> str:
    return f"{run}/{task.replace('/', '.')}"


def _no_secret(name: str) -> bytes:
    raise PlanInvalid(f"the secret {name!r} is not in the state file")


def _no_artifact(sha256: str) -> Path:
    raise PlanInvalid(f"the artifact with SHA-256 {sha256} is not on this machine")


class Step(BaseModel):
    """Base of all steps: plain, immutable data with a ``kind``, and the verbs of the design.

    A step names a secret; it never holds one. It reaches its host through ``on.host`` only. Verbs raise
    ``TemporaryError`` for what may pass and ``PermanentError`` for what can't.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str] = ""
    undoing: ClassVar[Undo] = Undo.EXACT
    repeat: ClassVar[Repeat] = Repeat.CONVERGENT
    takes_away: ClassVar[bool] = False
    """What it does is to take something back or away, where other steps make something."""
    batch: ClassVar[bool] = False
    """Steps of this kind are short enough that the runner hands many of one host over at once."""
    _kinds: ClassVar[dict[str, type[Step]]] = {}
    _loaders: ClassVar[list[Callable[[], object]]] = []

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Register the kind, so that plans can be read back."""
        if cls.kind:
            known = Step._kinds.setdefault(cls.kind, cls)
            if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise TypeError(
                    f"two kinds of step are called {cls.kind!r}: {known.__qualname__} and {cls.__qualname__}"
                )

    @property
    def title(self) -> str:
        """What the step does, as the plan says it to a reader: ``write /etc/hosts``."""
        return self.kind

    @property
    def writes(self) -> tuple[str, ...]:
        """Files that it fills with what is in no artifact: written anew, they might hold something else."""
        return ()

    @property
    def fills(self) -> tuple[str, ...]:
        """Folders that its undo takes away with what others have put into them by then: little, and not to be lost."""
        return ()

    @property
    def subject(self) -> str:
        """What it changes on its host, such as a path or a unit. Steps that change the same thing say the same.

        What the first of them saw there is how the host was. Empty for what isn't the host's own: an object in a
        cluster, which the host is only a way to.
        """
        return ", ".join(self.writes)

    def observe(self, on: Context) -> Observation:
        """What is there now. Never changes anything. Works on a host that lacks everything earlier steps bring."""
        raise NotImplementedError

    def apply(self, on: Context, before: Before) -> None:
        """Make it so. ``before`` is what :meth:`observe` saw, already journaled. Safe to repeat if convergent."""
        raise NotImplementedError

    def verify(self, on: Context) -> None:
        """Prove that it is so, or raise. By default: observing again is satisfied."""
        seen = self.observe(on)
        if not seen.satisfied:
            raise VerificationFailed(f"{self.title}: {seen.reason}", host=on.host.name, seen=seen.reason)

    def undo(self, on: Context, before: Before) -> None:
        """Put back exactly what was there. Safe to repeat, and after an apply that was cut off anywhere."""
        raise NotImplementedError

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """What applying would change. Asked only where ``seen`` isn't satisfied."""
        _ = on
        return [Difference(what=self.title, note=seen.reason)]

    @classmethod
    def observe_many(cls, steps: Sequence[Self], on: Sequence[Context]) -> list[Observation]:
        """Observe several steps of this kind on one host. Kinds that can do so in one round trip override this."""
        return [step.observe(context) for step, context in zip(steps, on, strict=True)]

    @classmethod
    def apply_many(cls, steps: Sequence[Self], on: Sequence[Context], before: Sequence[Before]) -> None:
        """Apply and verify several steps of this kind on one host. After an error they are tried one by one."""
        for step, context, prior in zip(steps, on, before, strict=True):
            step.apply(context, prior)
            step.verify(context)

    def spec(self) -> dict[str, Any]:
        """The step as plain data, its kind first; fields at their default are left out."""
        return {"kind": self.kind, **self.model_dump(mode="json", exclude_defaults=True)}

    @staticmethod
    def loads(load: Callable[[], object]) -> None:
        """Have kinds that aren't known yet looked for by this, which imports all that there are.

        Most commands need a few of them, and to import all takes as long as a short run.
        """
        Step._loaders.append(load)

    @staticmethod
    def parse(spec: Mapping[str, Any] | Step) -> Step:
        """The step that this data describes. Raises ``PlanInvalid`` for an unknown kind, naming it."""
        if isinstance(spec, Step):
            return spec
        if not isinstance(spec, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - it comes from a file
            raise PlanInvalid(f"a step is a mapping with a kind, not {spec!r}", hint="plan again")
        kind = spec.get("kind")
        if str(kind) not in Step._kinds:
            for load in Step._loaders:
                load()
        known = Step._kinds.get(str(kind))
        if known is None:
            raise PlanInvalid(
                f"unknown kind of step: {kind!r}", hint="the plan was made by another version of KlusterKit; plan again"
            )
        return known.model_validate({name: value for name, value in spec.items() if name != "kind"})


AnyStep = Annotated[SerializeAsAny[Step], BeforeValidator(Step.parse)]
"""A field that holds a step of any kind."""
