"""Files that are whole and durable, or as they were before.

Mode 0600 is given at birth: a ``chmod`` afterwards leaves a moment in which others could open the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections.abc import Callable, Generator
from pathlib import Path

from klusterkit.foreign import words_of
from klusterkit.state.errors import StateChanged, StateNotWritable

GENERATIONS = 3
_MODE = 0o600
_HINTS = {
    errno.ENOSPC: "free space on that file system, then run 'cctl resume' if a run was in progress",
    errno.EDQUOT: "free space or raise the quota, then run 'cctl resume' if a run was in progress",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), then run 'cctl resume' if a run was in progress",
    errno.EROFS: "mount the file system writable, or copy the file to one that is and name it with --state",
    errno.EACCES: "run as the owner of the file, or give this user the right to write to it and to its folder",
    errno.EPERM: "run as the owner of the file; look for an immutable attribute (lsattr)",
    errno.ENOENT: "make the folder first, or name another place with --state",
}


@contextlib.contextmanager
def writing(path: Path, what: str = "write") -> Generator[None]:
    """Turn what the operating system says into StateNotWritable."""
    try:
        yield
    except OSError as error:
        raise StateNotWritable(
            f"can't {what} {path}: {words_of(error)}",
            where=str(path),
            hint=_HINTS.get(error.errno or 0, "see what the system log says about that file system (dmesg)"),
        ) from error


def write_all(fd: int, data: bytes) -> None:
    """Write everything; a short write is followed by one that goes on or says why not."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable (fsync(2): syncing a file doesn't sync the entry that names it)."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def create(path: Path, data: bytes) -> None:
    """A new file with this content, never a part of it.

    Raises:
        FileExistsError: there is one already; it isn't touched.
        StateNotWritable: the file system refuses.
    """
    with writing(path, "create"):
        temporary = _write_temporary(path, data)
        try:
            _link(temporary, path)
        except FileExistsError:
            exists = True
        else:
            exists = False
        temporary.unlink()
        sync_folder(path.parent)
    if exists:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def replace(path: Path, data: bytes) -> None:
    """Replace a file's content; the file as it was stays as ``path.1``, older ones up to ``path.3``.

    At no moment is there no file at ``path``: the old one gets a second name, then the new one takes the first.

    Raises:
        StateNotWritable: the file system refuses; the file is wholly as it was (or wholly new, where only making the
            rename durable failed).
    """
    with writing(path, "replace"):
        put(path, data, first=lambda: _keep_generation(path))
    with contextlib.suppress(OSError):
        for leftover in path.parent.glob(f".{path.name}.*.new"):  # of a process killed before its rename
            leftover.unlink(missing_ok=True)


def put(path: Path, data: bytes, first: Callable[[], None] = lambda: None) -> None:
    """A file with this content, mode 0600 from birth, new or in the place of what was there.

    Args:
        path: the file.
        data: its content.
        first: done when all is written, right before the new file takes its place.

    Raises:
        OSError: what was there is as it was.
    """
    temporary = _write_temporary(path, data)
    try:
        first()
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _write_temporary(path: Path, data: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        write_all(fd, data)
        os.fsync(fd)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    return temporary


def _keep_generation(path: Path) -> None:
    def generation(number: int) -> Path:
        return path.with_name(f"{path.name}.{number}")

    if generation(1).exists() and generation(1).samefile(path):  # killed between this and the rename, last time
        return
    for number in range(GENERATIONS - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            generation(number).replace(generation(number + 1))
    _link(path, generation(1))


def _link(source: Path, target: Path) -> None:
    """A second name for a file; a copy where the file system has no hard links (FAT on a USB stick)."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            write_all(fd, source.read_bytes())
            os.fsync(fd)
        except OSError:
            target.unlink()
            raise
        finally:
            os.close(fd)


class OpenEnd:
    """The end of a file that is appended to: what is appended is whole and durable, or not there.

    Args:
        path: the file.
        identity: device and inode of the file that was read.
        end: how many of its bytes count.
        size: how many it had; what is between is cut off before the first append.
    """

    def __init__(self, path: Path, identity: tuple[int, int], end: int, size: int) -> None:
        self._path = path
        self._identity = identity
        self._end: int = end
        self._size: int = size
        self._fd: int | None = None
        self._close: Callable[[], object] = lambda: None

    def append(self, data: bytes) -> None:
        """Append in one write and one fdatasync.

        Raises:
            StateNotWritable: it isn't durable; the part that was written is cut off again, now or by the next append.
            StateChanged: something else changed or replaced the file.
        """
        with writing(self._path):
            fd = self._open()
            self.refuse_if_changed()
            if self._size != self._end:
                self._cut(fd)
            try:
                write_all(fd, data)
                os.fdatasync(fd)
            except OSError:
                self._size = os.fstat(fd).st_size
                with contextlib.suppress(OSError):  # the error above is the one to tell; the next append tries again
                    self._cut(fd)
                raise
        self._end += len(data)
        self._size = self._end

    def make_durable(self) -> None:
        """Bring to the disk what was read: of a writer that was killed, the kernel may show more than the disk has.

        Raises:
            StateNotWritable: it isn't durable.
        """
        with writing(self._path):
            os.fdatasync(self._open())

    def _cut(self, fd: int) -> None:
        os.ftruncate(fd, self._end)
        self._size = self._end

    def _open(self) -> int:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            self._close = weakref.finalize(self, os.close, self._fd)
        return self._fd

    def refuse_if_changed(self) -> None:
        """Raise StateChanged where the file at the path isn't the one that was read, as it was left."""
        try:
            now = self._path.stat()
            same = ((now.st_dev, now.st_ino), now.st_size) == (self._identity, self._size)
        except FileNotFoundError:
            same = False
        if not same:
            raise StateChanged(
                f"{self._path} was changed, replaced or removed by something else than this command",
                where=str(self._path),
                hint="find out what did it (an editor, a synchronised folder, a copy), then run the command again",
            )

    def close(self) -> None:
        """Close the file, if it was opened."""
        self._close()
        self._fd = None


def identity(status: os.stat_result) -> tuple[int, int]:
    """What tells one file from another on this machine."""
    return status.st_dev, status.st_ino
