"""Taking back, long afterwards, what a task of an earlier run did: its own undo, with what its host has kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from klusterkit.engine.host import Entry
from klusterkit.engine.step import AnyStep, Before, Context, Observation, Step, Undo
from klusterkit.tasks.prior import ABSENT, describe

_SHOWN = 200
"""Characters of what was before."""


class Revert(Step):
    """Make what a task of an earlier run changed what it was before.

    Undoing that applies the step again, as it was then. Files that it would fill with something new, or that somebody
    has changed since, come back byte for byte, from copies.

    Args:
        step: of that task.
        before: what it saw before it acted.
        run: of that task, as its kept copies carry it.
        task: its id.
    """

    kind: ClassVar[str] = "host.revert"
    takes_away: ClassVar[bool] = True

    step: AnyStep
    before: dict[str, Any]
    run: str
    task: str

    @property
    def title(self) -> str:
        """What is taken back."""
        return f"take back: {self.step.title}"

    @property
    def keeps(self) -> tuple[str, ...]:
        """What undo needs copies of: files that the step wrote, and folders that others put something into."""
        return (*self.step.writes, *self.step.fills)

    def observe(self, on: Context) -> Observation:
        """Whether it is as before."""
        back = _plain(self.step.observe(self._then(on)).before) == _plain(self.before)
        before = {"back": back, "files": {entry.path: _access(entry) for entry in on.host.stat(*self.keeps)}}
        reason = "" if back else f"before, it was {_shown(self.before)}"
        # Undo may be repeated from wherever it was cut.
        return Observation(satisfied=back, before=before, partial=not back, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Keep the files as they are, and undo the step."""
        _ = before
        for path in self.keeps:
            on.host.keep(path, on.kept(path))
        self.step.undo(self._then(on), self.before)

    def undo(self, on: Context, before: Before) -> None:
        """Apply the step again, and put back the files as they were."""
        paths = [path for path in self.keeps if before["files"][path]["type"] != ABSENT]
        copies = on.host.stat(*(on.kept(path) for path in paths))
        if any(copy.type == ABSENT for copy in copies):
            return  # it was cut before all copies were there, and has undone nothing
        self.step.apply(self._then(on), self.before)
        for found, copy in zip(on.host.stat(*paths), copies, strict=True):
            # A folder is the same only with all that was in it.
            if copy.type == "directory" or describe(found) != describe(copy):
                on.host.put_back(copy.path, found.path)
        on.host.remove(*(path for path in self.keeps if path not in paths))

    def spec(self) -> dict[str, Any]:
        """As any step's, with the step in it likewise."""
        return {**super().spec(), "step": self.step.spec()}

    def _then(self, on: Context) -> Context:
        return on.in_the_place_of(self.run, self.task)


class Discard(Revert):
    """Take back a task whose data can't be brought back: a point of no return."""

    kind: ClassVar[str] = "host.discard"
    undoing: ClassVar[Undo] = Undo.IRREVERSIBLE

    @property
    def keeps(self) -> tuple[str, ...]:
        """Nothing that is large: it is never undone."""
        return self.step.writes

    @property
    def title(self) -> str:
        """What is taken back: data that are set aside are out of use, and not lost."""
        folders = ", ".join(self.step.fills)
        return f"set aside for good what is in {folders}" if folders else f"take back for good: {self.step.title}"


def _plain(before: Mapping[str, Any]) -> Any:
    """As it comes back from a record: there are no tuples in JSON."""
    return json.loads(json.dumps(before))


def _access(entry: Entry) -> dict[str, Any]:
    """Who may use what stands there. What is in it is kept, and needs no digest: it may be a secret."""
    return {name: value for name, value in describe(entry).items() if name != "sha256"}


def _shown(before: Mapping[str, Any]) -> str:
    text = json.dumps(before, sort_keys=True)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
