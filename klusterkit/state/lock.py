"""One command at a time on one state file.

The lock is a ``flock`` on a file beside the state file, never on the state file itself, which is replaced by rename.
The kernel frees it when its holder ends, however it ends; what is written in the lock file is only for people. The
file stays, unless the command that made it fails: it may have been beside something else than a state file. Whoever has
just opened a file that then goes would lock another one than the next does, so it is looked at again once it is locked.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import socket
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from klusterkit.moments import moment
from klusterkit.state.disk import write_all, writing
from klusterkit.state.errors import StateLocked, StateMissing

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class LockInfo(BaseModel):
    """Who holds a lock: written into the lock file by its holder."""

    model_config = ConfigDict(frozen=True)

    id: str
    who: str
    pid: int
    boot_id: str
    op: str
    since: datetime

    def __str__(self) -> str:
        return f"'{self.op}' of {self.who} (pid {self.pid}), since {moment(self.since.timestamp())}"


@dataclass
class Lock:
    """A lock, held until its ``with`` block ends.

    Attributes:
        path: the state file that it is for.
        info: who we said we are.
        taken_over: the holder that ended without letting go, if there was one.
        held: whether it is still ours.
    """

    path: Path
    info: LockInfo
    taken_over: LockInfo | None
    held: bool = True

    @property
    def notice(self) -> str | None:
        """What to tell the operator about a lock that was taken over."""
        if self.taken_over is None:
            return None
        return f"took over the lock of {self.taken_over}, which has ended without releasing it"


@contextlib.contextmanager
def lock(path: Path, operation: str) -> Generator[Lock]:
    """Hold the lock of a state file, whether that file is there already or not.

    Raises:
        StateMissing: there is no folder for it.
        StateLocked: another command holds it.
        StateNotWritable: the lock file can't be made or written.
    """
    path = path.resolve()
    if not path.parent.is_dir():
        raise StateMissing(
            f"there is no folder {path.parent}",
            where=str(path),
            hint="make the folder first, or name another place with --state",
        )
    beside = path.with_name(path.name + ".lock")
    fd, made = _locked(beside)
    try:
        with _written(fd, beside, operation, path) as held:
            yield held
    except BaseException:
        if made:
            beside.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


@contextlib.contextmanager
def _written(fd: int, beside: Path, operation: str, path: Path) -> Generator[Lock]:
    """What the file says as long as it is held."""
    with writing(beside, "lock"):
        held = Lock(path, _ourselves(operation), taken_over=_read(fd))
        os.ftruncate(fd, 0)
        write_all(fd, held.info.model_dump_json().encode())
    try:
        yield held
    finally:
        held.held = False
        with contextlib.suppress(OSError):  # only means that the next holder will say "took over"
            os.ftruncate(fd, 0)


def _locked(beside: Path) -> tuple[int, bool]:
    """The lock file, open and locked, and whether it is new."""
    while True:
        made = not beside.exists()
        with writing(beside, "lock"):
            fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with writing(beside, "lock"):
                _acquire(fd, beside)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), beside.stat()):
                    return fd, made
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _acquire(fd: int, beside: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _read(fd)
        raise StateLocked(
            f"{beside.with_suffix('')} is locked by {holder or 'another command that has only just started'}",
            where=str(beside),
            hint="wait until it has ended, or end it: the lock is free as soon as it is gone, without further action",
        ) from None


def _read(fd: int) -> LockInfo | None:
    try:
        return LockInfo.model_validate_json(os.pread(fd, 65536, 0))
    except ValidationError:  # empty: released cleanly, or its holder is just about to write
        return None


def user_name() -> str:
    """Whoever we are; in a container with a user id that has no name, that id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def who() -> str:
    """Whoever gives this command, for logs, locks and hosts."""
    return f"{user_name()}@{socket.gethostname()}"


def _ourselves(operation: str) -> LockInfo:
    return LockInfo(
        id=str(uuid.uuid4()),
        who=who(),
        pid=os.getpid(),
        boot_id=_BOOT_ID.read_text().strip() if _BOOT_ID.exists() else "",
        op=operation,
        since=datetime.now(UTC),
    )
