"""Images in containerd's store, where the kubelet finds them (containerd 2.x, namespace ``k8s.io``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily
from klusterkit.engine.host import HOME
from klusterkit.engine.step import Before, Context, Observation, Step

CTR = ("/usr/local/bin/ctr", "--namespace=k8s.io")
SOCKET = "/run/containerd/containerd.sock"

_PINNED = "io.cri-containerd.pinned=pinned"
"""Keeps the kubelet from removing the image when the disk fills: an air-gapped host couldn't get it again."""


class ImportImage(Step):
    """Put an uploaded image archive into containerd's store, unpacked and ready to start.

    ``sha256`` is the archive's, ``reference`` the full name that the archive gives its image.
    """

    kind: ClassVar[str] = "image.import"

    name: str
    reference: str
    sha256: str

    @property
    def title(self) -> str:
        """The image by its full name."""
        return f"import the image {self.reference}"

    @property
    def subject(self) -> str:
        """The image."""
        return f"image {self.reference}"

    @property
    def _labels(self) -> tuple[str, str]:
        # The store knows an image by its manifest. That it came from this very archive has to be written down.
        return (_PINNED, f"klusterkit.io/archive={self.sha256}")

    def observe(self, on: Context) -> Observation:
        """Whether the store has the image, from this archive."""
        return self.observe_many([self], [on])[0]

    @classmethod
    def observe_many(cls, steps: Sequence[Self], on: Sequence[Context]) -> list[Observation]:  # pyright: ignore[reportIncompatibleMethodOverride] - Self is this class here
        """All images with one look at the store. A host without containerd has none."""
        listed = on[0].host.run([*CTR, "images", "list"])
        rows = listed.out.decode(errors="replace").splitlines() if listed.ok else []
        images = {row.split(None, 1)[0]: row for row in rows if row.strip()}
        return [step._seen(images) for step in steps]

    def _seen(self, images: dict[str, str]) -> Observation:
        row = images.get(self.reference)
        before = {"there": row is not None}
        if row is None:
            return Observation(satisfied=False, before=before, reason="the image is not in containerd's store")
        if self.sha256 not in row:
            return Observation(satisfied=False, before=before, reason="the image there came from elsewhere")
        return Observation(satisfied=True, before=before)

    def apply(self, on: Context, before: Before) -> None:
        """Import and unpack it. The host's record outlives the connection."""
        _ = before
        labels = [word for label in self._labels for word in ("--label", label)]
        archive = f"{HOME}/artifacts/{self.sha256}"
        # By containerd's own transfer service it takes twice the time: 1.6 s and not 0.7 s for 105 MB.
        command = [*CTR, "images", "import", "--local", *labels, archive]
        ended = on.host.job(on.key, command, timeout=on.timeout)
        if not ended.ok:
            raise CommandFailed(
                f"{self.reference} could not be imported",
                host=on.host.name,
                seen=ended.said,
                hint="see whether containerd runs (`journalctl -u containerd`) and /var/lib has room (`df -h`)",
            )

    def undo(self, on: Context, before: Before) -> None:
        """Remove the image, unless there was one of this name before."""
        if before["there"]:
            return
        ended = on.host.run([*CTR, "images", "remove", self.reference], timeout=60.0)
        if not ended.ok and self._in_store(on):
            raise CommandFailedTemporarily(f"{self.reference} could not be removed", host=on.host.name, seen=ended.said)

    def _in_store(self, on: Context) -> bool:
        return bool(self.observe(on).before["there"])
