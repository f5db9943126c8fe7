"""The files of an image on the host itself, for a program that is not to depend on containerd."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.host import File
from klusterkit.engine.step import Before, Context, Observation, Step
from klusterkit.tasks.containerd import CTR
from klusterkit.tasks.prior import ABSENT
from klusterkit.tasks.tree import children, unmount_below


class ImageTree(Step):
    """Copy the files of an image in containerd's store to a folder that is there for nothing else.

    ``sha256`` is the one by which the image got into the store. A file in the folder says it, so that a copy that was
    cut off is known for one.
    """

    kind: ClassVar[str] = "image.tree"

    reference: str
    sha256: str
    path: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"copy the files of the image {self.reference} to {self.path}"

    @property
    def subject(self) -> str:
        """What is in the folder. The folder itself is somebody else's."""
        return self._mark

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
            image = on.host.read(self._mark).decode(errors="replace")
        except FileNotFoundError:
            image = ""
        reason = "another image's" if image else "not there"
        whole = image == self.sha256
        return Observation(satisfied=whole, before={"image": image}, reason="" if whole else reason)

    def apply(self, on: Context, before: Before) -> None:
        """Mount the image, copy it, unmount it. The files of another image are kept."""
        if before["image"]:
            on.host.keep(self.path, on.kept(self.path))
        self._unmount(on)
        on.host.mkdir(self._mount, 0o700)
        self._do(on, *CTR, "images", "mount", self.reference, self._mount)
        self._do(on, "cp", "-a", f"{self._mount}/.", self.path)
        self._unmount(on)
        on.host.remove(self._mount)
        on.host.write(File(path=self._mark, content=self.sha256.encode()))

    def undo(self, on: Context, before: Before) -> None:
        """Take the files away, and give those of another image back."""
        if on.host.stat(self.path)[0].type != "directory":
            return
        self._unmount(on)
        unmount_below(on, self.path, itself=False)
        if before["image"]:
            if on.host.stat(on.kept(self.path))[0].type != ABSENT:
                on.host.put_back(on.kept(self.path), self.path)
        elif files := children(on, self.path):
            on.host.remove(*files, recursive=True)

    def _unmount(self, on: Context) -> None:
        # It fails where nothing is mounted, and where a mount was lost in a reboot it still forgets the snapshot.
        on.host.run([*CTR, "images", "unmount", "--rm", self._mount], timeout=on.timeout)

    @staticmethod
    def _do(on: Context, *argv: str) -> None:
        ended = on.host.run(argv, timeout=on.timeout)
        if not ended.ok:
            raise CommandFailed(f"`{' '.join(argv)}` failed on {on.host.name}", host=on.host.name, seen=ended.said)
