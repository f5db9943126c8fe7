"""Images in containerd's store, where the kubelet finds them (containerd 2.x, namespace ``k8s.io``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily, PermanentError
from klusterkit.engine.host import HOME
from klusterkit.engine.step import Before, Context, Observation, Step

CTR = ("/usr/local/bin/ctr", "--namespace=k8s.io")
SOCKET = "/run/containerd/containerd.sock"
REGISTRIES = "/etc/containerd/certs.d"
"""Has a folder for each registry, which says where its images really come from."""

_PINNED = "io.cri-containerd.pinned=pinned"
"""Keeps the kubelet from removing the image when the disk fills: an air-gapped host couldn't get it again."""


class _Image(Step):
    """An image in containerd's store, unpacked and ready to start."""

    name: str
    reference: str
    """Its full name."""
    sha256: str

    @property
    def subject(self) -> str:
        """The image."""
        return f"image {self.reference}"

    def observe(self, on: Context) -> Observation:
        """Whether the store has the image, and no other of its name."""
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
            return Observation(satisfied=False, before=before, reason="the image there is another one")
        return Observation(satisfied=True, before=before)

    def undo(self, on: Context, before: Before) -> None:
        """Remove the image, unless there was one of this name before."""
        if before["there"]:
            return
        ended = on.host.run([*CTR, "images", "remove", self.reference], timeout=60.0)
        if not ended.ok and self._in_store(on):
            raise CommandFailedTemporarily(f"{self.reference} could not be removed", host=on.host.name, seen=ended.said)

    def _in_store(self, on: Context) -> bool:
        return bool(self.observe(on).before["there"])


class ImportImage(_Image):
    """Put an uploaded image archive into containerd's store. ``sha256`` is the archive's, which names its image so."""

    kind: ClassVar[str] = "image.import"

    @property
    def title(self) -> str:
        """The image by its full name."""
        return f"import the image {self.reference}"

    @property
    def _labels(self) -> tuple[str, str]:
        # The store knows an image by its manifest. That it came from this very archive has to be written down.
        return (_PINNED, f"klusterkit.io/archive={self.sha256}")

    def apply(self, on: Context, before: Before) -> None:
        """Import and unpack it. The host's record outlives the connection."""
        _ = before
        labels = [word for label in self._labels for word in ("--label", label)]
        archive = f"{HOME}/artifacts/{self.sha256}"
        anew = on.host.job_state(on.key).status == "none"
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
        # ctr names what it has unpacked; to list the store takes as long as a small image. What an earlier attempt has
        # imported may be gone by now.
        if not anew or f"unpacking {self.reference} (" not in ended.out.decode(errors="replace"):
            super().verify(on)

    def verify(self, on: Context) -> None:
        """Nothing to add: it ended by having seen it, or heard of it."""


class PullImage(_Image):
    """Pull an image from where the files in ``REGISTRIES`` say. ``sha256`` is of the manifest or index by its name.

    Whoever planned has asked the registry for it, so that all hosts get the same image, and the one that was reviewed.
    """

    kind: ClassVar[str] = "image.pull"

    size: int
    """Bytes that come over the network."""

    @property
    def title(self) -> str:
        """The image by its full name."""
        return f"pull the image {self.reference} ({self.size / 1e6:.1f} MB)"

    def apply(self, on: Context, before: Before) -> None:
        """Pull and unpack it. Who may have it is in those files: it is in no argument."""
        _ = before
        command = [*CTR, "images", "pull", "--hosts-dir", REGISTRIES, "--label", _PINNED, self.reference]
        ended = on.host.job(on.key, command, timeout=on.timeout)
        if not ended.ok:
            raise CommandFailedTemporarily(
                f"{self.reference} could not be pulled",
                host=on.host.name,
                seen=ended.said,
                hint=f"see that the host reaches the registry, and what {REGISTRIES} says of it",
            )
        seen = self.observe(on)
        if seen.before["there"] and not seen.satisfied:
            raise PermanentError(
                f"the registry has another {self.reference} than when this was planned",
                host=on.host.name,
                seen=f"its digest isn't sha256:{self.sha256}",
                hint="roll back, and plan again with the image that it has now, if that is meant",
            )
