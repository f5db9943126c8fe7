"""Calls as a worker at the other end of a wire would get them: nothing that can't be serialised ever enters."""

from __future__ import annotations

import json
from collections.abc import Sequence

from klusterkit.engine.executor import Call, Executor, Outcome


def wire(call: Call) -> str:
    """The call as JSON."""
    return json.dumps({**call.model_dump(mode="json", exclude={"step"}), "step": call.step.spec()})


class JsonExecutor:
    """Passes each call and each outcome through JSON on its way to another executor."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    def perform(self, calls: Sequence[Call]) -> list[Outcome]:
        """Carry out the calls at the other end."""
        sent = [Call.model_validate_json(wire(call)) for call in calls]
        return [Outcome.model_validate_json(outcome.model_dump_json()) for outcome in self._inner.perform(sent)]

    def cancel(self) -> None:
        """Likewise, at the other end."""
        self._inner.cancel()
