"""A plan: an immutable DAG of tasks, as plain data that can be saved, reviewed, signed off and applied exactly.

Whatever compiles a plan does it deterministically: the same state and request give the same bytes, and so the same
digest. A plan holds no secret, only names of secrets.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, cast

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from klusterkit import givenyaml
from klusterkit.engine.errors import PlanInvalid
from klusterkit.engine.step import AnyStep, Step, Undo
from klusterkit.engine.yamltext import document
from klusterkit.foreign import misfit, words_of

if TYPE_CHECKING:
    import networkx as nx

API_VERSION = "klusterkit.io/v1alpha1"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Retry(BaseModel):
    """How often a temporary error is tried again: ``attempts`` in all, waiting ``wait`` seconds, doubled each time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = 3
    wait: float = 1.0
    longest: float = 30.0
    """The wait never grows past this many seconds."""


DEFAULT_RETRY = Retry()


class Task(BaseModel):
    """One step on one host.

    ``id`` is a path as kubeadm's phases are, host first: ``m1/etcd/start``. It starts when all that it ``needs`` is
    done, and all that it comes ``after`` is over, however that ended. ``timeout`` (seconds) is for one attempt.
    ``budgets`` are the groups that the task takes one unit of while it runs. ``cost`` (seconds) is what it is expected
    to take: it orders what is ready, and gives the time still to go.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    host: str
    step: AnyStep
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    timeout: float = 120.0
    retry: Retry = DEFAULT_RETRY
    budgets: tuple[str, ...] = ()
    cost: float = 0.05
    undone_by: str | None = None
    """For a step whose undo is ``contained``: the task whose undo takes its work back too."""

    @property
    def irreversible(self) -> bool:
        """Whether it is a point of no return."""
        return self.step.undoing is Undo.IRREVERSIBLE

    def spec(self) -> dict[str, Any]:
        """The task as plain data, fields at their default left out."""
        return {**self.model_dump(mode="json", exclude_defaults=True, exclude={"step"}), "step": self.step.spec()}


class Plan(BaseModel):
    """What will be done: tasks, their order, their budgets, and the state that this was compiled from."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    operation: str
    """The request in the operator's words: ``create machine 10.0.0.5 --role master``."""
    lineage: str
    serial: int
    """Of the state file when the plan was compiled. A plan is refused once the state has moved on."""
    tasks: tuple[Task, ...]
    budgets: dict[str, int] = {}
    facts: dict[str, dict[str, Any]] = {}
    """For each host, the facts that the plan was compiled from. It is refused where they no longer hold."""
    seen: dict[str, str] = {}
    """For each task that was looked at: a digest of what its step observed. Filled when a plan is saved."""
    outcome: dict[str, Any] = {}
    """What the state will say when the plan is done: objects to add or replace, and what is ``removed``. No meaning for
    the engine."""

    @cached_property
    def by_id(self) -> dict[str, Task]:
        """The tasks by their ids."""
        return {task.id: task for task in self.tasks}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the plan's canonical JSON."""
        canonical = json.dumps(self.spec(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def graph(self) -> nx.DiGraph[str]:
        """Task ids; an edge leads from what is needed to what needs it. For questions that a run doesn't ask.

        A run needs neighbours and one order, for which networkx is too slow: importing it takes 100 ms, a fifth of a
        run with nothing to do, and a plan of 50,000 tasks is checked in a quarter of the time without it.
        """
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(task.id for task in self.tasks)
        graph.add_edges_from((need, task.id) for task in self.tasks for need in task.needs)
        return graph

    @cached_property
    def needed_by(self) -> dict[str, list[str]]:
        """For each task, those that need it, in the plan's order."""
        followers: dict[str, list[str]] = {task.id: [] for task in self.tasks}
        for task in self.tasks:
            for need in dict.fromkeys(task.needs):
                followers[need].append(task.id)
        return followers

    @cached_property
    def followed_by(self) -> dict[str, list[str]]:
        """For each task, those that come after it without needing it, in the plan's order."""
        followers: dict[str, list[str]] = {task.id: [] for task in self.tasks}
        for task in self.tasks:
            for earlier in dict.fromkeys(task.after):
                if earlier not in task.needs:
                    followers[earlier].append(task.id)
        return followers

    @cached_property
    def order(self) -> tuple[str, ...]:
        """One order in which everything comes after what it waits for; the plan's own where that leaves a choice.

        Tasks that wait for each other in a circle, and what comes after them, are left out.
        """
        place = {task.id: index for index, task in enumerate(self.tasks)}
        waits = [len({*task.needs, *task.after}) for task in self.tasks]
        ready = [index for index, count in enumerate(waits) if not count]
        found: list[str] = []
        while ready:
            found.append(self.tasks[heapq.heappop(ready)].id)
            for after in map(place.__getitem__, self._behind_directly(found[-1])):
                waits[after] -= 1
                if not waits[after]:
                    heapq.heappush(ready, after)
        return tuple(found)

    @cached_property
    def remaining(self) -> dict[str, float]:
        """For each task, the expected seconds from its start to the end of the longest path behind it."""
        longest: dict[str, float] = {}
        for task_id in reversed(self.order):
            behind = max((longest[after] for after in self._behind_directly(task_id)), default=0.0)
            longest[task_id] = self.by_id[task_id].cost + behind
        return longest

    def _behind_directly(self, task_id: str) -> list[str]:
        return [*self.needed_by[task_id], *self.followed_by[task_id]]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do: no host is touched, and the state stays as it is."""
        return not (self.tasks or self.outcome)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that the plan touches, in the order of their first task."""
        return tuple(dict.fromkeys(task.host for task in self.tasks))

    def points_of_no_return(self) -> list[Task]:
        """The tasks after whose start the run can only be finished."""
        return [task for task in self.tasks if task.irreversible]

    def checked(self) -> Self:
        """The plan itself, if it can be run. Raises ``PlanInvalid`` with what is wrong."""
        if len(self.by_id) != len(self.tasks):
            twice = sorted({task.id for task in self.tasks if self.by_id[task.id] is not task})
            raise PlanInvalid(f"two tasks have the same id: {', '.join(twice)}")
        for task in self.tasks:
            self._check_task(task)
        if len(self.order) < len(self.tasks):
            raise PlanInvalid(f"tasks wait for each other in a circle: {self._circle()}")
        self._check_containers()
        return self

    def _circle(self) -> str:
        import networkx as nx

        graph = self.graph.copy()
        graph.add_edges_from((earlier, task.id) for task in self.tasks for earlier in task.after)
        cycle = next(iter(nx.simple_cycles(graph)))
        return " → ".join([*cycle, cycle[0]])

    def _check_task(self, task: Task) -> None:
        for need in task.needs:
            if need not in self.by_id:
                raise PlanInvalid(f"task {task.id} needs {need}, which is not in the plan")
        for earlier in task.after:
            if earlier not in self.by_id:
                raise PlanInvalid(f"task {task.id} comes after {earlier}, which is not in the plan")
        for budget in task.budgets:
            if self.budgets.get(budget, 0) < 1:
                raise PlanInvalid(f"task {task.id} uses the budget {budget!r}, which the plan gives nothing")
        if len(set(task.budgets)) < len(task.budgets):
            raise PlanInvalid(f"task {task.id} names a budget twice: a task takes one unit of each while it runs")
        if (task.step.undoing is Undo.CONTAINED) != (task.undone_by is not None):
            raise PlanInvalid(f"task {task.id}: 'undone_by' goes with a step whose undo is contained, and only with it")

    def _check_containers(self) -> None:
        behind: dict[str, set[str]] = {}
        for task in self.tasks:
            if task.undone_by is None:
                continue
            container = self.by_id.get(task.undone_by)
            if container is not None and container.id not in behind:
                behind[container.id] = self._behind(container.id)
            if container is None or task.id not in behind[container.id]:
                raise PlanInvalid(f"task {task.id} is undone by {task.undone_by}, which doesn't come before it")
            if container.step.undoing is Undo.NOTHING:
                raise PlanInvalid(f"task {task.id} is undone by {task.undone_by}, which has no undo")

    def _behind(self, task_id: str) -> set[str]:
        """All tasks that come after this one."""
        found: set[str] = set()
        seen = list(self.needed_by[task_id])
        while seen:
            after = seen.pop()
            if after not in found:
                found.add(after)
                seen += self.needed_by[after]
        return found

    def spec(self) -> dict[str, Any]:
        """The plan as plain data."""
        return {
            "apiVersion": API_VERSION,
            "kind": "Plan",
            **self.model_dump(mode="json", exclude_defaults=True, exclude={"tasks"}),
            "tasks": [task.spec() for task in self.tasks],
        }

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """The plan that this data describes. Raises ``PlanInvalid`` when it isn't one, or its digest doesn't fit."""
        fields = dict(data)
        head = (fields.pop("apiVersion", None), fields.pop("kind", None))
        if head != (API_VERSION, "Plan"):
            raise PlanInvalid(
                f"not a plan of this version: apiVersion and kind are {head[0]!r} and {head[1]!r}",
                hint=f"a plan says apiVersion: {API_VERSION} and kind: Plan; make one with `cctl plan … --out FILE`",
            )
        digest = fields.pop("digest", None)
        try:
            plan = cls.model_validate(fields).checked()
        except ValidationError as error:
            raise PlanInvalid(f"the plan is damaged: {misfit(error)}", hint="plan again") from None
        if digest is not None and digest != plan.digest:
            raise PlanInvalid(
                f"the plan was edited after it was saved: it says {digest}, its content is {plan.digest}",
                hint="a plan is applied exactly as it was reviewed; make a new one with `cctl plan … --out FILE`",
            )
        return plan

    def changed(self, **fields: Any) -> Self:
        """The plan with some fields replaced, and so with another digest."""
        return type(self)(**{name: fields.get(name, getattr(self, name)) for name in type(self).model_fields})

    def to_yaml(self) -> str:
        """The plan for people and for a file: its digest, then everything that the digest covers."""
        spec = self.spec()
        head = {"apiVersion": spec.pop("apiVersion"), "kind": spec.pop("kind"), "digest": self.digest}
        return document({**head, **spec})

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read what :meth:`to_yaml` wrote. Raises ``PlanInvalid``; a plan without its digest is refused too."""
        try:
            data = givenyaml.document(text)
        except yaml.YAMLError as error:
            raise PlanInvalid(f"not a saved plan: {words_of(error)}") from None
        fields = cast(Mapping[str, Any], data if isinstance(data, Mapping) else {})
        if not _DIGEST.fullmatch(str(fields.get("digest"))):  # a plan whose digest was emptied may say anything
            raise PlanInvalid("not a saved plan: it has no digest")
        return cls.parse(fields)


def needs_of(*groups: Iterable[Task] | Task | str) -> tuple[str, ...]:
    """Ids for ``Task.needs`` from tasks, lists of tasks and ids, each once, in the order given."""
    ids: list[str] = []
    for group in groups:
        if isinstance(group, str):
            ids.append(group)
        else:
            ids.extend(task.id for task in ([group] if isinstance(group, Task) else group))
    return tuple(dict.fromkeys(ids))


__all__ = ["API_VERSION", "DEFAULT_RETRY", "Plan", "Retry", "Step", "Task", "needs_of"]
