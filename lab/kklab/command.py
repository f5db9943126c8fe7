"""Running other programs, so that none outlives an interrupted lab command."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from kklab.errors import LabError

TAIL_LINES = 25


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    check: bool = True,
) -> str:
    """Run a program to its end and return what it wrote to stdout.

    With `log`, both streams go to that file and the result is empty. The child has a process group of
    its own, which is ended when this process is interrupted: a Go build would otherwise go on alone.

    Raises:
        LabError: it could not be started, or (with `check`) it ended with a code other than 0.
    """
    words = [str(word) for word in argv]
    with _output(log) as sink:
        try:
            child = subprocess.Popen(
                words,
                cwd=cwd,
                env=env,
                text=True,
                start_new_session=True,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT if log else subprocess.PIPE,
            )
        except FileNotFoundError as missing:
            raise LabError(f"{words[0]}: not found", "run `lab/lab setup`") from missing
        out, err = _finish(child, stdin)
    if check and child.returncode != 0:
        raise LabError(f"{shlex.join(words)} ended with code {child.returncode}", _last_words(log, err or out))
    return out or ""


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Whether the program ends with code 0; its output is dropped."""
    words = [str(word) for word in argv]
    return subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def _output(log: Path | None) -> contextlib.AbstractContextManager[int]:
    if log is None:
        return contextlib.nullcontext(subprocess.PIPE)
    return _log_descriptor(log)


@contextlib.contextmanager
def _log_descriptor(log: Path):
    with log.open("ab") as stream:
        yield stream.fileno()


def _finish(child: subprocess.Popen[str], stdin: str | None) -> tuple[str, str]:
    try:
        return child.communicate(stdin)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise


def _last_words(log: Path | None, text: str | None) -> str:
    if log is not None:
        text = log.read_text(errors="replace")
    tail = "\n  ".join((text or "").strip().splitlines()[-TAIL_LINES:])
    return f"{tail}\n  (log: {log})" if log else tail
