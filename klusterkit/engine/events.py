"""What happens during a run, for whoever looks: terminal views, the log, programs that read JSON lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from klusterkit.engine.errors import ErrorInfo
from klusterkit.engine.journal import Direction


class Event(BaseModel):
    """One thing that happened.

    ``started``, ``done``, ``unchanged``, ``failed``, ``retrying``, ``asked``, ``undone`` and ``stuck`` speak of a task;
    ``run`` opens and ``stopping`` and ``finished`` close a walk.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: Literal[
        "run", "started", "done", "unchanged", "failed", "retrying", "asked", "undone", "stuck", "stopping", "finished"
    ]
    at: float = Field(default_factory=time.time)
    run: str = ""
    direction: Direction = Direction.FORWARD
    task: str | None = None
    host: str | None = None
    title: str | None = None
    attempt: int = 0
    wait: float = 0.0
    """Of ``retrying``: seconds until the next attempt."""
    error: ErrorInfo | None = None
    outcome: str | None = None
    """Of ``finished``: the report's outcome."""


Sink = Callable[[Event], None]
"""Somebody who wants to know. It must be quick; what it raises is dropped, so that no view can stop a run."""
