"""Objects in the cluster's API, from manifests."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.step import Before, Context, Difference, Observation, Step, Undo
from klusterkit.tasks import kubectl

_WHO = ("--server-side", "--field-manager=klusterkit", "--force-conflicts", "--filename=-")
_SAME, _DIFFERENT = 0, 1


class Apply(Step):
    """Bring objects to what a manifest says (server-side apply, KEP-555).

    The objects live in etcd: whoever takes etcd's data back takes them back too.
    """

    kind: ClassVar[str] = "kubernetes.apply"
    undoing: ClassVar[Undo] = Undo.CONTAINED

    name: str
    manifest: str

    @property
    def title(self) -> str:
        """The manifest by its name."""
        return f"apply the manifest {self.name}"

    def observe(self, on: Context) -> Observation:
        """Whether applying would change anything, as the API server sees it."""
        ended = kubectl.ask(on, "diff", *_WHO, stdin=self.manifest.encode())
        if ended.rc == _SAME:
            return Observation(satisfied=True)
        reason = "objects differ or are missing" if ended.rc == _DIFFERENT else "the API doesn't tell"
        return Observation(satisfied=False, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Apply it."""
        _ = before
        kubectl.change(on, "apply", *_WHO, stdin=self.manifest.encode())

    def verify(self, on: Context) -> None:
        """Nothing to add: the API server acknowledges an object only when etcd has it."""

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """Where the API can be asked, what it says; else the manifest itself."""
        ended = kubectl.ask(on, "diff", *_WHO, stdin=self.manifest.encode())
        if ended.rc == _DIFFERENT:
            return [Difference(what=self.name, note=ended.text)]
        return [Difference(what=self.name, new=self.manifest, note=seen.reason)]
