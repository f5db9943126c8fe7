"""What ``cctl status`` tells, as data."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, computed_field

from klusterkit.engine.journal import Direction, TaskState

SSH = "ssh"
"""The component that says whether a machine can be reached."""


class Component(BaseModel):
    """One thing, on one machine or of the cluster as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    """Empty where it is the cluster's."""
    name: str
    wanted: str
    seen: str
    ok: bool
    brief: str = ""
    """``seen`` in a word or two."""
    hint: str = ""
    """What to do where it isn't as wanted."""

    @classmethod
    def right(cls, machine: str, name: str, wanted: str, seen: str = "", brief: str = "") -> Self:
        """One that is as wanted; ``seen`` where there is more to tell."""
        return cls(machine=machine, name=name, wanted=wanted, seen=seen or wanted, ok=True, brief=brief)

    @classmethod
    def wrong(cls, machine: str, name: str, wanted: str, seen: str, hint: str, brief: str = "") -> Self:
        """One that isn't."""
        return cls(machine=machine, name=name, wanted=wanted, seen=seen, ok=False, brief=brief, hint=hint)


class Member(BaseModel):
    """A member of etcd."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """In hex, as etcdctl prints it."""
    name: str
    machine: str
    """The one that it runs on; empty where it is none of ours."""
    learner: bool
    leader: bool = False
    up: bool = False
    """It was asked, and said something."""
    answers: bool = False
    """It knows a leader, too: it is one of a majority."""
    version: str = ""
    size: int = 0
    """Bytes of its database."""


class EtcdState(BaseModel):
    """etcd as a whole, put together from what its members say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: tuple[Member, ...]

    @computed_field
    @property
    def voting(self) -> int:
        """How many have a vote: learners have none."""
        return sum(not member.learner for member in self.members)

    @computed_field
    @property
    def answering(self) -> int:
        """How many of those answer."""
        return sum(member.answers and not member.learner for member in self.members)

    @computed_field
    @property
    def up(self) -> int:
        """How many of those with a vote run, whether they find a majority or not."""
        return sum(member.up and not member.learner for member in self.members)

    @computed_field
    @property
    def quorum(self) -> int:
        """How many have to answer: more than half."""
        return self.voting // 2 + 1

    @computed_field
    @property
    def kept(self) -> bool:
        """Whether so many do. Without them nothing can be written, and the API answers nothing."""
        return self.answering >= self.quorum


class RunState(BaseModel):
    """How far the run in progress is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    operation: str
    direction: Direction
    began: float
    who: str
    tasks: dict[str, TaskState]

    @property
    def asks(self) -> bool:
        """Whether it waits for an answer that only the operator knows."""
        return any(task.asked for task in self.tasks.values())


class StatusReport(BaseModel):
    """Everything that ``cctl status`` tells."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str | None
    version: str | None
    endpoint: str | None = None
    run: RunState | None
    etcd: EtcdState | None = None
    """None where no member could be asked."""
    components: tuple[Component, ...]

    @computed_field
    @property
    def ok(self) -> bool:
        """Whether no run is open and everything is as wanted."""
        return self.run is None and all(component.ok for component in self.components)

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Machines that could not be looked at."""
        return tuple(each.machine for each in self.components if each.name == SSH and not each.ok)
