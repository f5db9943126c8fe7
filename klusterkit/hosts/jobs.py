"""Long programs that outlive the connection: started once, attached to by whoever asks, told by their own record.

A record is a folder below ``jobs`` in KlusterKit's folder; ``shell/jobs.sh`` says what is in it. The program runs in a
session of its own, watched by a shell that ends it after its timeout and writes down how it ended; neither needs us.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from klusterkit.engine.errors import CommandFailed, StepTimeout, UsageError
from klusterkit.engine.host import HOME, Completed, JobState
from klusterkit.hosts.errors import JobVanished
from klusterkit.hosts.lane import LIMIT, Reply
from klusterkit.hosts.link import Link
from klusterkit.hosts.quoting import word, words

FIRST_POLL = 0.01
LAST_POLL = 0.25
_ENDED_BY_TIMEOUT = (124, 137)
"""Statuses of ``timeout``: ended by its signal, ended by SIGKILL."""
_KEY = re.compile(r"[A-Za-z0-9_+=@:,%-][A-Za-z0-9_.+=@:,%-]*(/[A-Za-z0-9_+=@:,%-][A-Za-z0-9_.+=@:,%-]*){0,3}")


@dataclass(frozen=True)
class _Seen:
    status: str
    completed: Completed | None = None
    timed_out: bool = False


class Jobs:
    """The long programs of one host. Thread-safe.

    Args:
        link: to the host.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    def run(self, key: str, argv: Sequence[str], stdin: bytes, timeout: float) -> Completed:
        """Start it, unless there is a record, and wait for its end."""
        record = _record(key)
        self._start(record, argv, stdin, timeout)
        seen, pause = self._look(record), FIRST_POLL
        while seen.status == "running":
            time.sleep(pause)
            pause = min(LAST_POLL, pause * 1.3)
            seen = self._look(record)
        if seen.completed is None:
            raise JobVanished(
                f"{argv[0]} is gone on {self._link.name} and left no result",
                host=self._link.name,
                seen=f"{record}: {seen.status}",
                hint="the host was switched off or restarted while it ran, or somebody killed it",
            )
        if seen.timed_out:
            raise StepTimeout(
                f"{argv[0]} took longer than {timeout:g} s on {self._link.name}, and was ended",
                host=self._link.name,
                seen=seen.completed.said,
            )
        return seen.completed

    def state(self, key: str) -> JobState:
        """What the record says."""
        seen = self._look(_record(key))
        return JobState.model_validate({"status": seen.status, "completed": seen.completed})

    def stop(self, key: str, patience: float = 10.0) -> None:
        """End it and all that it started: politely first, after ``patience`` seconds not."""
        record = _record(key)
        if any(self._stopped(record, signal, patience) for signal in (b"TERM", b"KILL")):
            return
        raise CommandFailed(f"{key} can't be ended", host=self._link.name, hint="it doesn't react to SIGKILL")

    def _stopped(self, record: str, signal: bytes, patience: float) -> bool:
        """Whether this signal, given once, ended it in time. Its watcher may be about to start it only now."""
        deadline, pause, given = time.monotonic() + patience, FIRST_POLL, False
        while time.monotonic() < deadline:
            script = b"kk_job_signal %s %s" % (word(record), b"0" if given else signal)
            alive = self._link.call(script).rc == 0
            if not alive and self._look(record).status != "running":
                return True
            given = given or alive
            time.sleep(pause)
            pause = min(LAST_POLL, pause * 1.3)
        return False

    def _start(self, record: str, argv: Sequence[str], stdin: bytes, timeout: float) -> None:
        """Start it. Repeating that is safe: the second start finds the record of the first."""
        script = b"kk_job_start %s %.3f %d %s" % (word(record), timeout, bool(stdin), words(argv))
        if stdin:
            script += b" <<'END-OF-INPUT'\n" + base64.encodebytes(stdin) + b"END-OF-INPUT"
        reply = self._link.call(script)
        if reply.rc or reply.out.strip() not in (b"started", b"exists"):
            raise CommandFailed(
                f"{argv[0]} can't be started on {self._link.name}",
                host=self._link.name,
                seen=reply.err.decode(errors="replace").strip() or reply.out.decode(errors="replace"),
                hint=f"see that there is room below {HOME}",
            )

    def _look(self, record: str) -> _Seen:
        return _seen(self._link.call(b"kk_job_result %s %d" % (word(record), LIMIT), limit=LIMIT + 4096))


def _seen(reply: Reply) -> _Seen:
    line, _, out = reply.out.partition(b"\n")
    status, *ended = line.decode().split()
    if not ended:
        return _Seen(status)
    completed = Completed(rc=int(ended[0]), out=out, err=reply.err)
    began, end, timeout = map(float, ended[1:])
    # A program may end with these statuses by itself. Uptimes are known to a hundredth of a second.
    timed_out = completed.rc in _ENDED_BY_TIMEOUT and end - began >= timeout - 0.03
    return _Seen(status, completed, timed_out)


def _record(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise UsageError(f"a long program can't be called {key!r}", hint="use letters, digits and _ . + = @ : , % - /")
    return f"{HOME}/jobs/{key}"
