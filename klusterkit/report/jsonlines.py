"""A run as lines of JSON, for programs: each event as it happens, then the report."""

from __future__ import annotations

import json
from typing import Any, TextIO

from klusterkit.engine.events import Event
from klusterkit.engine.journal import counts
from klusterkit.engine.runner import Report


class JsonLines:
    """Writes each event as one object. ``docs/cctl.md`` says what is in it."""

    beat = 3600.0

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def show(self, event: Event) -> None:
        """Write the event."""
        write_line(self._file, event.model_dump(mode="json", exclude_defaults=True, exclude_unset=False))

    def tick(self) -> None:
        """Nothing happens with time alone."""

    def close(self) -> None:
        """Nothing is left to tidy."""


def write_line(file: TextIO, data: dict[str, Any]) -> None:
    """Write one object as one line, at once."""
    file.write(json.dumps(data, ensure_ascii=False) + "\n")
    file.flush()


def report_data(report: Report, exit_code: int) -> dict[str, Any]:
    """The report as the last line has it."""
    return {
        "report": report.outcome,
        "without": list(report.without),
        "exit_code": exit_code,
        "counts": {str(status): count for status, count in counts(report.states.values()).items()},
        "errors": {task: error.model_dump(exclude_none=True) for task, error in report.errors.items()},
        "tasks": {task: str(state.status) for task, state in report.states.items()},
    }
