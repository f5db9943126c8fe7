"""The structured log of a run: JSON lines beside the state file, each with the run, the task and the host."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, TextIO

from klusterkit.engine.events import Event, Sink
from klusterkit.engine.texts import each_text, texts_of
from klusterkit.hosts.opening import SSH_LOG
from klusterkit.lean import standing_in, without
from klusterkit.session.masking import Mask
from klusterkit.state.disk import writing

# For a view on terminals and for asynchronous loggers, which aren't used: a sixth of a short command's time.
with without("rich"), without("rich.traceback"), standing_in("asyncio"):
    import structlog


def log_folder(state: Path) -> Path:
    """Where the logs of the runs of this state file are."""
    return state.with_name(state.name + ".log")


class RunLog:
    """The log of one run. Whatever it writes is masked first. Closed with :meth:`close`.

    Raises:
        StateNotWritable: it can't be opened.
    """

    def __init__(self, state: Path, run: str, mask: Mask, *, debug: bool = False) -> None:
        folder = log_folder(state)
        self.path = folder / f"{run}.jsonl"
        with writing(self.path):
            folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "w", buffering=1)
        self._echo: TextIO | None = sys.stderr if debug else None
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(_Both(self._file, self._echo)),  # type: ignore[arg-type]
            processors=[
                _masking(mask),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.add_log_level,
                structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False),
            ],
            run=run,
        ).bind()  # now, or each event would bind anew
        self._ssh = _Foreign(self.note)
        SSH_LOG.addHandler(self._ssh)

    def event(self, event: Event) -> None:
        """Log an event of the runner."""
        fields = event.model_dump(mode="json", exclude_defaults=True, exclude={"at", "event", "run"})
        level = "error" if event.event in ("failed", "stuck", "asked") else "info"
        getattr(self._log, level)(event.event, **fields)

    def note(self, event: str, **fields: str) -> None:
        """Log something else that a reader of the log will want to know."""
        self._log.debug(event, **fields)

    def close(self) -> None:
        """Flush and close the file. A disk that is full has been told of by the journal, which is what counts."""
        SSH_LOG.removeHandler(self._ssh)
        with contextlib.suppress(OSError), self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


class _Foreign(logging.Handler):
    """Takes in what a library logs of its own accord, from its warnings on."""

    def __init__(self, note: Callable[..., object]) -> None:
        super().__init__(logging.WARNING)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        """Log it as ours."""
        with contextlib.suppress(Exception):
            self._note("ssh", said=record.getMessage())


class _Both:
    """A text file that writes to one or two."""

    def __init__(self, first: TextIO, second: TextIO | None) -> None:
        self._files = [file for file in (first, second) if file is not None]

    def write(self, text: str) -> None:
        for file in self._files:
            file.write(text)

    def flush(self) -> None:
        for file in self._files:
            file.flush()


def _masking(mask: Mask) -> Callable[[Any, str, Any], Any]:
    """Of values, before there is a line of JSON: that has a secret's quotation marks and backslashes escaped."""

    def masked(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # Nearly no event holds a secret, and to look through one text takes a quarter of what it takes for each.
        together = "\n".join(texts_of(fields))
        return fields if mask(together) == together else each_text(fields, mask)

    return masked


def tee(*sinks: Sink) -> Sink:
    """Tell each of them, also when one before fails: a log on a full disk, a view without its terminal."""

    def tell(event: Event) -> None:
        for sink in sinks:
            with contextlib.suppress(Exception):
                sink(event)

    return tell
