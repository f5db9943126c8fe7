"""The ``Host`` protocol on root shells, wherever they are."""

from __future__ import annotations

import posixpath
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from klusterkit.engine.errors import CommandFailed, PermanentError, StepTimeout
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import HOME, Completed, Entry, File, JobState
from klusterkit.hosts import listing
from klusterkit.hosts.fence import REACHED
from klusterkit.hosts.jobs import Jobs
from klusterkit.hosts.lane import Reply
from klusterkit.hosts.lease import Holder, Lease, break_lease, holder_of
from klusterkit.hosts.link import Link
from klusterkit.hosts.looking import facts_from, facts_script, neighbour_from, neighbour_script
from klusterkit.hosts.pace import Pace
from klusterkit.hosts.question import Question
from klusterkit.hosts.quoting import printed, word, words
from klusterkit.hosts.upload import upload
from klusterkit.hosts.writing import write_script

READ_LIMIT = 16 << 20
COPY_TIMEOUT = 600.0
_NOTHING_THERE = 44
_GRACE = 15.0
"""Seconds that a program may take to end after its timeout, and the answer to come."""
_AT_ONCE = 400
"""Paths that are looked at with one process."""
_ENDED_BY_TIMEOUT = (124, 137)


class ShellHost:
    """One host. Thread-safe: many threads may use it at once.

    When the connection is lost, it is made again for as long as the link's patience lasts, and these are sent again,
    since repeating them changes nothing: ``facts``, ``neighbour``, ``stat``, ``read``, ``write``, ``mkdir``,
    ``remove``, ``keep``, ``put_back``, ``upload``, ``job`` (which attaches), ``job_state``, ``job_stop``. ``run``
    isn't: it raises ``HostUnreachable`` if it isn't known whether the program ran.

    Args:
        link: its shells.
        question: what :meth:`facts` looks for.
        pace: of uploads.
    """

    def __init__(self, link: Link, question: Question | None = None, pace: Pace | None = None) -> None:
        self._link = link
        self._pace = pace or Pace(None)
        self._question = question or Question()
        self._jobs = Jobs(link)
        # Two changes in one folder would meet in its folder for new files.
        self._changing = threading.Lock()
        self._reaching = threading.Lock()
        self._reached = 0

    @property
    def name(self) -> str:
        """The machine's name in the plan."""
        return self._link.name

    def connect(self) -> None:
        """Connect now instead of with the first call, and see that there is a root shell."""
        self._link.connect()

    def close(self) -> None:
        """Disconnect. What runs on the host goes on."""
        self._link.close()

    def claim(self, lease: Lease | None, patience: float) -> None:
        """Work under this lease from the next call on, and wait so long for a connection that was lost."""
        self._link.claim(lease, patience)

    def foresee(self, lease: Lease) -> None:
        """Raise what working under this lease would be refused with, and take nothing."""
        lease.foresee(self._link, self.name)

    def reach(self, run: str, records: int) -> None:
        """Have the host know how many records a run's journal has, before the run acts here.

        It isn't flushed to the disk, and a host that can't keep it is acted on all the same: it is a second look at
        what the journal says, and costs no more than that.
        """
        with self._reaching:
            if records > self._reached:
                # Not renamed into place, which would be a process for each act: half of it says nothing, and no more.
                self._link.call(b"kk_home && printf '%%s\\n' %s >%s" % (word(f"{run} {records}"), word(REACHED)))
                self._reached = records

    def lock_holder(self) -> Holder | None:
        """Who has this host's lock; None if nobody has."""
        return holder_of(self._link, self.name)

    def break_lock(self) -> None:
        """End the shells that hold this host's lock. Whatever runs there goes on, and so does a run that is alive."""
        break_lease(self._link, self.name)

    def facts(self) -> Facts:
        """Look at the host, in one round trip."""
        before = time.time()
        reply = self._link.call(facts_script(self._question))
        return facts_from(self.name, reply, self._question, asked=before, answered=time.time())

    def neighbour(self, address: str, interface: str) -> str:
        """The hardware address of whoever answers for an address in the network of an interface."""
        return neighbour_from(self._link.call(neighbour_script(address, interface)))

    def stat(self, *paths: str) -> tuple[Entry, ...]:
        """What stands at each path."""
        found: list[Entry] = []
        for at in range(0, len(paths), _AT_ONCE):
            found += self._stat(paths[at : at + _AT_ONCE])
        return tuple(found)

    def read(self, path: str) -> bytes:
        """A file's content."""
        reply = self._link.call(b"kk_read %s %d" % (word(path), READ_LIMIT + 1), limit=READ_LIMIT + 1)
        if reply.rc == _NOTHING_THERE:
            raise FileNotFoundError(path)
        self._check(reply, f"{path} can't be read")
        if len(reply.out) > READ_LIMIT:
            raise PermanentError(f"{path} is too large to be read", host=self.name, seen="more than 16 MiB")
        return reply.out

    def write(self, *files: File) -> None:
        """Write each file whole or not at all."""
        if files:
            what = ", ".join(file.path for file in files[:3]) + (" …" if len(files) > 3 else "")
            self._change([file.path for file in files], write_script(files), f"{what} can't be written")

    def mkdir(self, path: str | Sequence[str], mode: int = 0o755, owner: str = "root:root") -> None:
        """Make folders, or give those that are there this mode and owner."""
        paths = [path] if isinstance(path, str) else list(path)
        if not paths:
            return
        flushed = [*paths, *dict.fromkeys(_folder(each) for each in paths if _folder(each) not in paths)]
        script = b"kk_mkdir %05o %s %s && sync -- %s" % (mode, word(owner), words(paths), words(flushed))
        if (mode, owner) == (0o700, "root:root") and all(_folder(each) == HOME for each in paths):
            script = b"kk_own " + words(paths)
        self._change(paths, script, f"the folder {paths[0]}{' …' if len(paths) > 1 else ''} can't be made")

    def remove(self, *paths: str, recursive: bool = False) -> None:
        """Remove what stands there."""
        if not paths:
            return
        folders = words(dict.fromkeys(_folder(path) for path in paths))
        script = b"kk_clean %s && kk_remove %d %s && kk_sync_there %s" % (folders, recursive, words(paths), folders)
        self._change((), script, f"{', '.join(paths[:3])} can't be removed", timeout=COPY_TIMEOUT)

    def keep(self, path: str, place: str) -> None:
        """Copy what stands at ``path`` to ``place``, unless a copy is there."""
        script = b"kk_keep %s %s" % (word(path), word(place))
        self._change((place,), script, f"{path} can't be kept at {place}", timeout=COPY_TIMEOUT)

    def put_back(self, place: str, path: str) -> None:
        """Make ``path`` what was kept at ``place``. Raises ``FileNotFoundError`` if nothing was."""
        script = b"kk_put_back %s %s" % (word(place), word(path))
        self._change((path,), script, f"{path} can't be put back", timeout=COPY_TIMEOUT, absent=place)

    def upload(self, source: Path, sha256: str, path: str, mode: int = 0o644) -> None:
        """Bring a large file from here to the host."""
        upload(self._link, source, sha256, path, mode, self._pace)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run a short program as root and wait."""
        script = b"timeout -k 5 %.3f %s" % (timeout, words(argv))
        if stdin:
            script = printed(stdin) + b" | " + script
        began = time.monotonic()
        reply = self._link.call(script, timeout=timeout + _GRACE, repeat=False, long=True)
        if reply.rc in _ENDED_BY_TIMEOUT and time.monotonic() - began >= timeout:
            raise StepTimeout(
                f"{argv[0]} took longer than {timeout:g} s on {self.name}, and was ended",
                host=self.name,
                seen=_completed(reply).said,
            )
        return _completed(reply)

    def job(self, key: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 600.0) -> Completed:
        """Run a long program that outlives the connection, and wait for its end."""
        return self._jobs.run(key, argv, stdin, timeout)

    def job_state(self, key: str) -> JobState:
        """What the host knows about the program with this key."""
        return self._jobs.state(key)

    def job_stop(self, key: str) -> None:
        """End the program with this key and all that it started."""
        self._jobs.stop(key)

    def _stat(self, paths: Sequence[str]) -> tuple[Entry, ...]:
        # A file that is hashed must be allowed to be large. Looking again is for what changes while it is looked at.
        for last in (False, False, True):
            reply = self._link.call(b"kk_stat " + words(paths), timeout=COPY_TIMEOUT, limit=READ_LIMIT)
            if said := listing.unexpected(reply.err):
                raise CommandFailed(f"files on {self.name} can't be looked at", host=self.name, seen=said)
            try:
                return listing.entries(paths, reply.out)
            except ValueError:
                if last:
                    raise
        raise AssertionError

    def _change(
        self, paths: Sequence[str], script: bytes, failing: str, *, timeout: float = 60.0, absent: str = ""
    ) -> None:
        if any(path.startswith(f"{HOME}/") for path in paths):
            script = b"kk_home && { " + script + b"\n}"
        with self._changing:
            reply = self._link.call(script, timeout=timeout)
        if absent and reply.rc == _NOTHING_THERE:
            raise FileNotFoundError(absent)
        self._check(reply, failing)

    def _check(self, reply: Reply, failing: str) -> None:
        if reply.rc:
            raise CommandFailed(f"{failing} on {self.name}", host=self.name, seen=_completed(reply).said)


def _completed(reply: Reply) -> Completed:
    return Completed(rc=reply.rc, out=reply.out, err=reply.err)


def _folder(path: str) -> str:
    return posixpath.dirname(path.rstrip("/")) or "/"
