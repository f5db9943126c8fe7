"""The files of an image on the host itself, for a program that is not to depend on containerd."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.host import File
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks.containerd import CTR


class ImageTree(Step):
    """Copy the files of an image in containerd's store to a folder, which is there and takes them with it when it goes.

    ``sha256`` is the one by which the image got into the store. A file in the folder says it, so that a copy that was
    cut off is known for one.
    """

    kind: ClassVar[str] = "image.tree"
    undoing: ClassVar[Undo] = Undo.CONTAINED

    reference: str
    sha256: str
    path: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"copy the files of the image {self.reference} to {self.path}"

    @property
    def _mark(self) -> str:
        return f"{self.path}/.image"

    @property
    def _mount(self) -> str:
        # Below the folder, so that whoever takes the folder back unmounts it.
        return f"{self.path}/.mount"

    def observe(self, on: Context) -> Observation:
        """Whether they are there, all of them."""
        try:
            whole = on.host.read(self._mark).decode(errors="replace") == self.sha256
        except FileNotFoundError:
            whole = False
        return Observation(satisfied=whole, reason="" if whole else "not there, or another image's")

    def apply(self, on: Context, before: Before) -> None:
        """Mount the image, copy it, unmount it."""
        _ = before
        self._unmount(on)
        on.host.mkdir(self._mount, 0o700)
        self._do(on, *CTR, "images", "mount", self.reference, self._mount)
        self._do(on, "cp", "-a", f"{self._mount}/.", self.path)
        self._unmount(on)
        on.host.remove(self._mount)
        on.host.write(File(path=self._mark, content=self.sha256.encode()))

    def _unmount(self, on: Context) -> None:
        # It fails where nothing is mounted, and where a mount was lost in a reboot it still forgets the snapshot.
        on.host.run([*CTR, "images", "unmount", "--rm", self._mount], timeout=on.timeout)

    @staticmethod
    def _do(on: Context, *argv: str) -> None:
        ended = on.host.run(argv, timeout=on.timeout)
        if not ended.ok:
            raise CommandFailed(f"`{' '.join(argv)}` failed on {on.host.name}", host=on.host.name, seen=ended.said)
