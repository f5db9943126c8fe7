"""The right to change a host: a lock that dies with the connection, and a record that an old state file is refused by.

On the host:

* ``/run/klusterkit/lock``: locked (``flock``) by the shell of a lane that does nothing else, for the life of the
  connection. ``.holder`` beside it says who that is; ``.lanes`` which shells work under it. The folder is root's
  alone, or the host is refused: whoever else can write there could lock us out, or name a process for root to end.
* ``/run/klusterkit/lock.work``: shared by short programs while they run, so that those of a run that was killed keep
  the next from starting until they end. A daemon that a program starts itself would hold it as long as it lives: such
  belong into systemd's hands, as kubelet and containerd are.
* Long programs hold neither, so that a resumed run can attach to its own. A running one of another run keeps the
  lease from being taken, by its record.
* ``fence.json`` in KlusterKit's folder: the cluster (``lineage``) and the largest serial of its state that was seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.errors import CommandFailed, HostLocked, HostUnreachable
from klusterkit.hosts.errors import LockUnsafe
from klusterkit.hosts.fence import FENCE, REACHED, Ending, Fence, read_fence, refuse_older_journal
from klusterkit.hosts.lane import Lane, LaneTimeout, Reply
from klusterkit.hosts.quoting import word
from klusterkit.hosts.stream import StreamClosed
from klusterkit.hosts.writing import write_script
from klusterkit.moments import moment

GRACE = 10
"""Seconds that are given to short programs of a run that was killed, to end."""
_LOCKED = 45
_UNSAFE = 46
_MACHINE_ID = Path("/etc/machine-id")
_TIMEOUT = GRACE + 20.0


class Holder(BaseModel):
    """Who holds a host's lock."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    who: str
    since: float
    run: str = ""
    token: str = ""
    machine: str = ""
    """Tells two machines apart that have the same name."""

    def __str__(self) -> str:
        since = f", since {moment(self.since)}" if self.since else ""
        return f"{self.who}{since}" + (f", run {self.run}" if self.run else "")


class Lease:
    """One run's right to change its hosts. Serves many hosts.

    Args:
        lineage: names the cluster; empty to take the lock and leave the record alone.
        serial: that the state will have when the run has ended. A host that has seen a larger one, or the same one of
            another run, refuses.
        who: user, machine and state file, for those who find the lock taken.
        run: whose running jobs are this run's own.
        towards: where the run goes: a host that knows it to have ended otherwise refuses.
        records: how many the run's journal has: a host on which the run acted with more refuses.
        past: the runs that the state has ended, all of them; None if it has forgotten some.
        guests: hosts that belong to another state: of these the lock is taken, and the record left alone.
    """

    def __init__(
        self,
        lineage: str,
        serial: int,
        who: str,
        run: str = "",
        *,
        towards: Ending = "done",
        past: Collection[str] | None = None,
        guests: Collection[str] = (),
        records: Callable[[], int] = lambda: 0,
    ) -> None:
        self._lineage = lineage
        self._serial = serial
        self._who = who
        self._run = run
        self._towards: Ending = towards
        self._past = past
        self._guests = guests
        self._records = records
        self._token = secrets.token_hex(8)

    def take(self, lane: Lane, host: str) -> None:
        """Take the lock in this lane, and keep it as long as the lane lives.

        Raises:
            HostLocked: somebody else works there.
            LockUnsafe: others than root can write where the lock is.
            StaleState: the host has seen a later state than ours.
            ForeignCluster: it belongs to another cluster.
        """
        try:
            self._lock(lane, host)
            self._refuse_others_work(lane, host)
            if self._lineage and host not in self._guests:
                self._fence(lane, host)
        except (StreamClosed, LaneTimeout) as error:
            raise HostUnreachable(f"the connection to {host} was lost", host=host, seen=str(error)) from None

    def foresee(self, caller: Caller, host: str) -> None:
        """Raise what :meth:`take` would, and take nothing: for whoever hasn't begun yet, and may still refuse.

        Raises:
            HostLocked, LockUnsafe, StaleState, ForeignCluster.
        """
        if holder := holder_of(caller, host):
            raise _locked_by(holder, host)
        self._refuse_others_work(caller, host)
        fence = caller.call(b"kk_read %s 65536" % word(FENCE), timeout=_TIMEOUT)
        if not fence.rc:
            self.check(fence.out, host)

    def check(self, content: bytes, host: str) -> None:
        """Refuse as :meth:`take` would, for the content of ``FENCE`` on a host that is only looked at.

        Raises:
            StaleState, ForeignCluster.
        """
        if self._lineage:
            read_fence(content, host).refuse(self._ours(), self._towards, host, self._past)

    def _lock(self, lane: Lane, host: str) -> None:
        holder = Holder(who=self._who, since=time.time(), run=self._run, token=self._token, machine=this_machine())
        script = b"kk_lease " + word(holder.model_dump_json())
        for attempt in range(20):
            reply = lane.call(script, timeout=_TIMEOUT)
            if reply.rc == 0:
                return
            _refuse_unsafe(reply, host)
            if reply.rc != _LOCKED:
                raise _failed(reply, host, "the lock can't be taken")
            found = _holder(reply.out)
            if not self._our_own(found):
                raise _locked_by(found, host)
            # Our own, from a connection that was lost without the host having noticed.
            if not attempt:
                lane.call(b"kk_lease_break", timeout=_TIMEOUT)
            time.sleep(0.05 * (attempt + 1))
        raise _locked_by(holder, host)

    def _our_own(self, found: Holder) -> bool:
        """Whether we, or an earlier command of the same run with the same state file, hold the lock.

        No two commands use one state file at once: its own lock sees to that. So the earlier one has ended. A copy of
        the state on a machine that is called the same is another file.
        """
        ours = (self._run, self._who, this_machine())
        return found.token == self._token or (bool(self._run) and (found.run, found.who, found.machine) == ours)

    def _refuse_others_work(self, caller: Caller, host: str) -> None:
        if caller.call(b"kk_work_is_over %d" % GRACE, timeout=_TIMEOUT).rc:
            raise HostLocked(
                f"a command that an earlier run started on {host} is still at work",
                host=host,
                seen="/run/klusterkit/lock.work is held",
                hint="wait for it; `fuser -v /run/klusterkit/lock.work` on the host shows what it is",
            )
        running = [line.split() for line in caller.call(b"kk_jobs", timeout=_TIMEOUT).out.decode().splitlines()]
        for key, started in running:
            # The engine names the rounds of a run RUN.0, RUN.1 and so on.
            if key.split("/")[0].split(".")[0] != self._run:
                raise HostLocked(
                    f"a program of another run is still at work on {host}",
                    host=host,
                    seen=f"{key}, since {moment(float(started))}",
                    hint="wait for it, or end that run: `cctl resume` or `cctl rollback` where its state file is",
                )

    def _ours(self) -> Fence:
        return Fence(lineage=self._lineage, serial=self._serial, who=self._who, when=time.time(), run=self._run)

    def _refuse_older(self, lane: Lane, host: str) -> None:
        reached = lane.call(b"kk_read %s 4096" % word(REACHED), timeout=_TIMEOUT)
        if not reached.rc:
            refuse_older_journal(reached.out, self._run, self._records(), host)

    def _fence(self, lane: Lane, host: str) -> None:
        reply = lane.call(b"kk_read %s 65536" % word(FENCE), timeout=_TIMEOUT)
        if not reply.rc:
            self.check(reply.out, host)
            if read_fence(reply.out, host).ended is None:  # if it has, it only has to be led to the same end
                self._refuse_older(lane, host)
        if reply.rc or read_fence(reply.out, host).serial < self._serial:
            reply = lane.call(b"kk_home && " + write_script([self._ours().file()]), timeout=_TIMEOUT)
            if reply.rc:
                raise _failed(reply, host, f"{FENCE} can't be written")


def this_machine() -> str:
    """A name that no other machine has, and that doesn't give the machine's id away (machine-id(5))."""
    with contextlib.suppress(OSError):
        return hashlib.sha256(b"klusterkit" + _MACHINE_ID.read_bytes()).hexdigest()[:16]
    return ""


class Caller(Protocol):
    """What runs a script on a host: a lane, or a link."""

    def call(self, script: bytes, *, timeout: float) -> Reply:
        """Run it."""
        ...


def holder_of(caller: Caller, host: str) -> Holder | None:
    """Who has a host's lock; None if nobody has. Raises ``LockUnsafe``."""
    held = caller.call(b"kk_held", timeout=_TIMEOUT)
    _refuse_unsafe(held, host)
    return None if held.rc else _holder(held.out)


def break_lease(caller: Caller, host: str) -> None:
    """End the shells that hold a host's lock, for one that a dead connection left. What they started goes on.

    Raises ``LockUnsafe``: then nothing was ended.
    """
    _refuse_unsafe(caller.call(b"kk_lease_break", timeout=_TIMEOUT), host)


def _holder(out: bytes) -> Holder:
    try:
        data: Any = json.loads(out.split(b"\n", 1)[0])
        return Holder.model_validate(data)
    except ValueError:
        return Holder(who="somebody who left no name", since=0.0)


def _locked_by(holder: Holder, host: str) -> HostLocked:
    return HostLocked(
        f"another KlusterKit works on {host}",
        host=host,
        seen=str(holder),
        hint=f"wait for it; if its connection has died, `cctl unlock --host {host}` frees the host",
    )


def _refuse_unsafe(reply: Reply, host: str) -> None:
    if reply.rc == _UNSAFE:
        raise LockUnsafe(
            f"others than root can write where the lock of {host} is",
            host=host,
            seen=reply.err.decode(errors="replace").strip(),
            hint="find out who made it so, then as root on the host: `rm -r /run/klusterkit`",
        )


def _failed(reply: Reply, host: str, what: str) -> CommandFailed:
    said = reply.err.decode(errors="replace").strip()
    return CommandFailed(f"{what} on {host}", host=host, seen=said or f"status {reply.rc}")
