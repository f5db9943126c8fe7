"""A plan under construction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import DEFAULT_RETRY, Plan, Retry, Task
from klusterkit.engine.step import Step

Needs = str | Iterable[str]

_NOTHING: Mapping[str, Any] = {}


class Request(Protocol):
    """What every request for a plan says, besides what is to be done."""

    @property
    def operation(self) -> str:
        """The request in the operator's words."""
        ...

    @property
    def lineage(self) -> str:
        """Of the state."""
        ...

    @property
    def serial(self) -> int:
        """Of the state."""
        ...


class Draft:
    """Collects tasks, host by host, in the order in which they would be told."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.budgets: dict[str, int] = {}

    def on(self, host: str) -> HostDraft:
        """The part of one host."""
        return HostDraft(self, host)

    def plan(self, request: Request, facts: Mapping[str, Facts], outcome: Mapping[str, Any] = _NOTHING) -> Plan:
        """The plan of these tasks.

        Args:
            request: what it is made for.
            facts: by host, those that it depends on.
            outcome: what the state says when it is done.
        """
        return Plan(
            operation=request.operation,
            lineage=request.lineage,
            serial=request.serial,
            tasks=tuple(self.tasks),
            budgets=self.budgets,
            facts={host: seen.stable() for host, seen in facts.items()},
            outcome=dict(outcome),
        )


class HostDraft:
    """The part of a draft that happens on one host."""

    def __init__(self, draft: Draft, host: str) -> None:
        self.draft = draft
        self.host = host

    def add(
        self,
        path: str,
        step: Step,
        *needs: Needs,
        cost: float = 0.01,
        timeout: float = 120.0,
        retry: Retry = DEFAULT_RETRY,
        budgets: tuple[str, ...] = (),
        undone_by: str | None = None,
        after: Needs = (),
    ) -> str:
        """Add a task. Returns its id, for the needs of others; those without a host in them are of this one.

        Args:
            path: of the task below its host, such as ``etcd/start``.
            step: what it does.
            needs: ids, or collections of ids, of tasks that have to be done before.
            cost: seconds expected.
            timeout: seconds for one attempt.
            retry: how temporary errors are met.
            budgets: groups of which it takes one unit each.
            undone_by: the task that takes its work back, where its own undo is contained.
            after: ids of tasks that have to be over before, however they ended.
        """
        task = Task(
            id=f"{self.host}/{path}",
            host=self.host,
            step=step,
            needs=flat(needs),
            timeout=timeout,
            retry=retry,
            budgets=budgets,
            cost=cost,
            undone_by=undone_by,
            after=flat([after]),
        )
        self.draft.tasks.append(task)
        return task.id


def flat(needs: Iterable[Needs]) -> tuple[str, ...]:
    """Ids from ids and collections of ids, each once."""
    ids: dict[str, None] = {}
    for group in needs:
        if isinstance(group, str):
            ids[group] = None
        else:
            ids.update(dict.fromkeys(group))
    return tuple(ids)
