"""A folder that a program fills: data whose single files are nobody's step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Literal

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily, PermanentError
from klusterkit.engine.host import HOME
from klusterkit.engine.step import Before, Context, Observation, Step
from klusterkit.tasks import note
from klusterkit.tasks.prior import describe

OUTPUT = 1 << 20
"""Bytes of a program's output that a host keeps."""

_OCTAL = re.compile(rb"\\([0-7]{3})")

NOBODYS = "lost+found"
"""What a fresh file system has at its top: an empty folder all the same."""


class Tree(Step):
    """A folder for a program's data, such as /var/lib/etcd, taken back with all that is in it by then.

    It has to be empty or missing before, and is claimed by a note in KlusterKit's folder: of a folder that was claimed
    in an earlier run, undo leaves the content alone. A folder that is a mount point, or was there before, is emptied,
    not removed. Whatever is mounted below it is unmounted first.

    Args:
        path: of the folder.
        mode: of the folder.
        owner: of the folder.
        on_undo: ``set-aside`` moves the content to ``set-aside`` in KlusterKit's folder; ``remove`` removes it.
        leavings: files below it that pods of the cluster write, and that are not worth setting aside.
        adopt: take a folder with content. Its content is left alone by undo.
    """

    kind: ClassVar[str] = "file.tree"

    path: str
    mode: int = 0o755
    owner: str = "root:root"
    on_undo: Literal["remove", "set-aside"] = "remove"
    leavings: tuple[str, ...] = ()
    adopt: bool = False

    @property
    def title(self) -> str:
        """What it does."""
        return f"make the data folder {self.path}"

    @property
    def subject(self) -> str:
        """The folder."""
        return self.path

    @property
    def fills(self) -> tuple[str, ...]:
        """The folder, if its content is not to be lost."""
        return (self.path,) if self.on_undo == "set-aside" else ()

    @property
    def _claim(self) -> str:
        return f"trees/{self.path.strip('/').replace('/', '%')}"

    def observe(self, on: Context) -> Observation:
        """The folder, whether it holds something, and whose it is."""
        entry = on.host.stat(self.path)[0]
        there = entry.type == "directory"
        claimed = bool(note.read(on, self._claim))
        before = {**describe(entry), "empty": not (there and children(on, self.path)), "claimed": claimed}
        right = there and entry.mode == self.mode and entry.owner == self.owner
        reason = "" if right and claimed else "not there" if not there else "not claimed" if right else "other mode"
        return Observation(satisfied=not reason, before=before, partial=bool(reason) and claimed, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Claim it and make it."""
        self._refuse(on, before)
        note.write(on, self._claim, {"run": on.run})
        on.host.mkdir(self.path, self.mode, self.owner)

    def undo(self, on: Context, before: Before) -> None:
        """As it was, without what came into it."""
        was_there = before["type"] == "directory"
        if before["empty"] and not before["claimed"]:
            self._clear(on, keep_folder=was_there)
        if was_there:
            on.host.mkdir(self.path, int(before["mode"], 8), before["owner"])
        if not before["claimed"]:
            note.remove(on, self._claim)

    def _refuse(self, on: Context, before: Before) -> None:
        if before["type"] not in ("absent", "directory"):
            raise PermanentError(
                f"{self.path} should be a folder, and is a {before['type']}",
                host=on.host.name,
                hint=f"move it away; to have the data elsewhere, mount that at {self.path}",
            )
        if not (before["empty"] or before["claimed"] or self.adopt):
            raise PermanentError(
                f"{self.path} is not empty, and KlusterKit doesn't know whose it is",
                host=on.host.name,
                seen=", ".join(children(on, self.path)[:5]),
                hint="move its content away, or use another host",
            )

    def _clear(self, on: Context, *, keep_folder: bool) -> None:
        if on.host.stat(self.path)[0].type != "directory":
            return
        unmount_below(on, self.path, itself=not keep_folder)
        if self.on_undo == "set-aside" and self._holds_files(on):
            set_aside(on, self.path)
        gone = children(on, self.path) if keep_folder else [self.path]
        if gone:
            on.host.remove(*gone, recursive=True)

    def _holds_files(self, on: Context) -> bool:
        leavings = {f"{self.path}/{name}" for name in self.leavings}
        return any(found not in leavings for found in _find(on, self.path, "!", "-type", "d"))


def children(on: Context, path: str) -> list[str]:
    """Paths of what a folder holds, sorted."""
    return sorted(child for child in _find(on, path, "-mindepth", "1", "-maxdepth", "1") if not _nobodys(child))


def _nobodys(path: str) -> bool:
    return path.rpartition("/")[2] == NOBODYS


def _find(on: Context, path: str, *expression: str) -> list[str]:
    found = on.host.run(["find", path, *expression, "-print0"], timeout=on.timeout)
    if not found.ok or len(found.out) >= OUTPUT:
        seen = found.said if not found.ok else "more paths than can be told"
        raise CommandFailed(f"{path} can't be looked through", host=on.host.name, seen=seen)
    return [name for name in found.out.decode(errors="surrogateescape").split("\0") if name]


def set_aside(on: Context, path: str) -> None:
    """Copy a folder into KlusterKit's own, and see that the copy holds all that the folder does."""
    for number in range(1, 100):
        # What an earlier, interrupted undo kept may lack what came since: then it is left, and another copy made.
        place = f"{HOME}/set-aside/{on.run}/{path.strip('/').replace('/', '%')}.{number}"
        on.host.keep(path, place)
        if not list(_missing(on, path, place)):
            return
    raise PermanentError(
        f"no copy of {path} could be made that holds all of it",
        host=on.host.name,
        hint="see that nothing writes to it any more",
    )


def _missing(on: Context, path: str, place: str) -> Iterator[str]:
    names = [name.removeprefix(path) for name in _find(on, path)]
    originals = on.host.stat(*(f"{path}{name}" for name in names))
    copies = on.host.stat(*(f"{place}{name}" for name in names))
    for name, original, copy in zip(names, originals, copies, strict=True):
        if describe(original) != describe(copy):
            yield name


def unmount_below(on: Context, path: str, *, itself: bool) -> None:
    """Unmount what is mounted below a folder, the last first, and what is mounted on it."""
    for mounted in reversed(_mounts(on)):
        if mounted.startswith(f"{path}/") or (itself and mounted == path):
            ended = on.host.run(["umount", mounted])
            if not ended.ok:
                raise CommandFailedTemporarily(
                    f"{mounted} can't be unmounted",
                    host=on.host.name,
                    seen=ended.said,
                    hint=f"`fuser -vm {mounted}` on the host shows who uses it",
                )


def _mounts(on: Context) -> list[str]:
    """Mount points in the order in which they were mounted (proc(5), mountinfo)."""
    try:
        lines = on.host.read("/proc/self/mountinfo").splitlines()
    except FileNotFoundError:
        return []
    places = (line.split(b" ")[4] for line in lines if line)
    return [
        _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), place).decode(errors="surrogateescape") for place in places
    ]
