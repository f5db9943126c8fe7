"""What runs have done to one host, so that it can be taken back long after they ended.

A run's journal is folded away when it ends, and with it what each step saw before it acted. That is kept on the host
itself, beside the copies that undo puts back. What the first step saw that changed a thing is how the host was; what
later steps saw of the same thing is of no interest any more. How the last of them left it is how it should still be.

The host isn't trusted with it: a record is sealed with a key of the state, and one that was changed there is refused.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from klusterkit.engine.errors import PermanentError, PlanInvalid
from klusterkit.engine.host import HOME
from klusterkit.engine.journal import TaskState
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import AnyStep, Step, Undo
from klusterkit.foreign import misfit

PLACE = f"{HOME}/record.json"


class RecordChanged(PermanentError):
    """A host's record isn't as its state has written it there."""


class Done(BaseModel):
    """One task that changed the host. It holds no secret: a step names them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    run: str
    """As its kept copies carry it: the run's name and the round."""
    step: AnyStep
    now: AnyStep | None = None
    """What a later run made of the same subject, if one did."""
    before: dict[str, Any]
    """What undo puts back."""
    needs: tuple[str, ...] = ()
    """Tasks of the same run that have to be undone after this one."""
    timeout: float = 120.0
    cost: float = 0.05

    @property
    def latest(self) -> AnyStep:
        """How its subject was left."""
        return self.now or self.step

    def left_as(self, step: Step) -> Self:
        """The same, when this step was the last to change its subject."""
        return self.model_copy(update={"now": None if step == self.step else step})

    def data(self) -> dict[str, Any]:
        """As plain data, fields at their default left out."""
        plain = self.model_dump(mode="json", exclude_defaults=True, exclude={"step", "now"})
        return {**plain, "step": self.step.spec(), **({"now": self.now.spec()} if self.now else {})}


class HostRecord(BaseModel):
    """All that has to be undone to make a host what it was, in the order in which it was planned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    done: tuple[Done, ...] = ()

    def after(self, done: Collection[Done]) -> Self:
        """The record once these were done too. Repeating it changes nothing.

        Of each subject, what the first saw counts, and how the last left it.
        """
        known = {each.step.subject for each in self.done}
        passed_over = {each.task: each.needs for each in done if each.step.subject in known}
        new = [_needing(each, passed_over) for each in done if each.task not in passed_over]
        last = {each.step.subject: each.step for each in done}
        all_of_them = (*self.done, *new)
        return type(self)(done=tuple(each.left_as(last.get(each.step.subject, each.latest)) for each in all_of_them))

    def latest(self) -> dict[str, Step]:
        """How each subject was left."""
        return {each.step.subject: each.latest for each in self.done}

    def without(self, taken_back: Collection[tuple[str, str]]) -> Self:
        """The record when these, by run and task, have been taken back."""
        return type(self)(done=tuple(each for each in self.done if (each.run, each.task) not in taken_back))

    def of_run_alone(self, run: str) -> bool:
        """Whether it tells of nothing but what one run did."""
        return {each.run.partition(".")[0] for each in self.done} == {run}

    def runs(self) -> list[list[Done]]:
        """What each run did, oldest first."""
        found: dict[str, list[Done]] = {}
        for each in self.done:
            found.setdefault(each.run.partition(".")[0], []).append(each)
        return list(found.values())

    def data(self) -> dict[str, Any]:
        """The record as plain data."""
        return {"version": self.version, "done": [each.data() for each in self.done]}

    def sealed(self, key: bytes, host: str) -> dict[str, Any]:
        """As plain data, with what shows that the owner of this key wrote it for this host."""
        plain = self.data()
        return {**plain, "seal": _seal(plain, key, host)}

    @classmethod
    def parse(cls, data: Mapping[str, Any], host: str, *, key: bytes | None) -> Self:
        """The record that this data describes.

        Args:
            data: as :meth:`sealed` made it.
            host: that it was found on.
            key: it was sealed with. None takes it as it is: only for who gives no secret to the host.

        Raises:
            RecordChanged: somebody else than the owner of the key has written it.
            PermanentError: it isn't one, or is a later version's.
        """
        plain = {name: value for name, value in data.items() if name != "seal"}
        if key is not None and not hmac.compare_digest(str(data.get("seal")), _seal(plain, key, host)):
            raise RecordChanged(
                f"what was done to {host} isn't told as it was written",
                host=host,
                seen=f"the seal of {PLACE} doesn't fit: somebody has changed it there, or brought it from another host",
                hint="see who was on that host; bring the file back from a backup, or switch the host off and delete "
                "the machine with --gone",
            )
        try:
            return cls.model_validate(plain)
        except ValidationError as error:
            seen = misfit(error)
        except PlanInvalid as error:
            seen = error.message
        raise PermanentError(
            f"what was done to {host} can't be read",
            host=host,
            seen=seen,
            hint=f"use the version of KlusterKit that was used last; {PLACE} on the host is the record",
        )


def _seal(plain: Mapping[str, Any], key: bytes, host: str) -> str:
    """Whoever reads a record runs its steps, with secrets. Root of a host could have it read what he wrote there."""
    return hmac.digest(key, json.dumps([host, plain], sort_keys=True).encode(), "sha256").hex()


def _needing(done: Done, passed_over: Mapping[str, tuple[str, ...]]) -> Done:
    """The same, needing what is in the record: for what isn't, what that needs."""
    needs = dict.fromkeys(done.needs)
    while through := [need for need in needs if need in passed_over]:
        further = (each for need in through for each in passed_over[need])
        needs = dict.fromkeys([*(need for need in needs if need not in through), *further])
    return done.model_copy(update={"needs": tuple(needs)})


def done_by_host(plan: Plan, run: str, states: Mapping[str, TaskState]) -> dict[str, list[Done]]:
    """What a run has changed on each of its hosts and undo can put back.

    KlusterKit's own folder is left out: it goes as a whole, when the host does.
    """
    recorded: dict[str, dict[str, Task]] = {}
    for task in plan.tasks:
        if states[task.id].to_undo and _is_the_hosts_own(task):
            recorded.setdefault(task.host, {})[task.id] = task
    return {host: _done(plan, run, states, tasks) for host, tasks in recorded.items()}


def _is_the_hosts_own(task: Task) -> bool:
    subject = task.step.subject
    return task.step.undoing is Undo.EXACT and bool(subject) and not subject.startswith(f"{HOME}/")


def _done(plan: Plan, run: str, states: Mapping[str, TaskState], tasks: Mapping[str, Task]) -> list[Done]:
    nearest: dict[str, frozenset[str]] = {}
    return [
        Done(
            task=task.id,
            run=f"{run}.{states[task.id].round}",
            step=task.step,
            before=states[task.id].before or {},
            needs=tuple(sorted(_nearest(plan, task, tasks, nearest))),
            timeout=task.timeout,
            cost=task.cost,
        )
        for task in tasks.values()
    ]


def _nearest(plan: Plan, task: Task, recorded: Collection[str], known: dict[str, frozenset[str]]) -> frozenset[str]:
    """Of the tasks before this one, the nearest that are recorded: through gates, and through other hosts."""
    if task.id not in known:
        through = [need for need in task.needs if need not in recorded]
        direct = frozenset(task.needs).difference(through)
        known[task.id] = direct.union(*(_nearest(plan, plan.by_id[need], recorded, known) for need in through))
    return known[task.id]
