"""Verified artifacts on this machine, by SHA-256: nothing gets in unverified, and it's there whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ArtifactStore:
    """A folder of artifacts, each named by its digest."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "sha256"

    def path(self, sha256: str) -> Path:
        """Where the artifact is. Raises ``UsageError`` if it isn't here."""
        path = self._folder / sha256
        if not path.exists():
            raise UsageError(
                f"the artifact with SHA-256 {sha256} is not on this machine",
                seen=f"looked for {path}",
                hint="plan again: planning fetches what the plan needs",
            )
        return path

    def size(self, sha256: str) -> int | None:
        """Its size in bytes, or None if it isn't here."""
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / sha256).stat().st_size
        return None

    @contextlib.contextmanager
    def alone(self, sha256: str) -> Generator[None]:
        """While this lasts, no other command on this machine collects the same artifact: it waits.

        Raises:
            UsageError: the folder can't be written, or its disk is full.
        """
        locks = self._folder.with_name("locks")
        try:
            locks.mkdir(mode=0o755, parents=True, exist_ok=True)
            with (locks / sha256).open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise UsageError(
                f"artifacts can't be kept in {self._folder}: {words_of(error)}",
                seen=str(error.filename) if error.filename else None,
                hint="make room and see that this user may write there, or name another folder with KLUSTERKIT_CACHE",
            ) from error

    def partial(self, sha256: str) -> Path:
        """Where a download of it may be collected, and gone on with after an interruption."""
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        return self._folder / f"{sha256}.part"

    def adopt(self, path: Path, sha256: str) -> bool:
        """Take a file of another folder in if its content is right: as a link where that can be, else a copy."""
        if sha256_of(path) != sha256:
            return False
        partial = self.partial(sha256)
        partial.unlink(missing_ok=True)
        try:
            os.link(path, partial)
        except OSError:
            shutil.copyfile(path, partial)
        self._keep(partial, sha256)
        return True

    def receive(self, sha256: str, pieces: Iterable[bytes]) -> bool:
        """Take in content that comes piece by piece, unless it is here. False, and nothing taken in, if it is wrong."""
        with self.alone(sha256):
            if self.size(sha256) is not None:
                return True
            with self.partial(sha256).open("wb") as file:
                file.writelines(pieces)
            return self.finish(sha256)

    def make(self, name: str, write: Callable[[BinaryIO], hashlib._Hash], parts: Iterable[str]) -> str:  # pyright: ignore[reportPrivateUsage]
        """Make an artifact of others, which are dropped then. Returns its SHA-256, known from now on by ``name``.

        Args:
            name: 64 hexadecimal digits that belong to what goes into it.
            write: writes it and returns its digest.
            parts: digests of what it is made of.
        """
        with self.alone(name):
            partial = self.partial(name)
            with partial.open("wb") as file:
                sha256 = write(file).hexdigest()
            self._keep(partial, sha256)
            self._names.mkdir(exist_ok=True)
            note = self._names / f"{name}.new"
            note.write_text(sha256)
            note.replace(self._names / name)
        for part in parts:
            (self._folder / part).unlink(missing_ok=True)
        return sha256

    def known_as(self, name: str) -> str | None:
        """SHA-256 of what was made by this name, if it is here."""
        with contextlib.suppress(FileNotFoundError):
            sha256 = (self._names / name).read_text()
            return sha256 if self.size(sha256) is not None else None
        return None

    @property
    def _names(self) -> Path:
        return self._folder.with_name("names")

    def finish(self, sha256: str) -> bool:
        """Take in what was collected at :meth:`partial`, or remove it if its content is wrong."""
        partial = self.partial(sha256)
        if sha256_of(partial) != sha256:
            partial.unlink()
            return False
        self._keep(partial, sha256)
        return True

    def _keep(self, partial: Path, sha256: str) -> None:
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(self._folder / sha256)

    def __iter__(self) -> Iterator[str]:
        """The digests of all that is here."""
        if self._folder.is_dir():
            yield from sorted(path.name for path in self._folder.iterdir() if path.suffix == "")
