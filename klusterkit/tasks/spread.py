"""Replicas on several nodes, so that no host that dies takes all of them along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from klusterkit.engine.errors import CommandFailedTemporarily, NotYet
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks import kubectl

_NAMESPACE = "--namespace=kube-system"
_SLICE = 60
"""Seconds that are waited for all of them, in one attempt."""


class Spread(Step):
    """See that the pods of a deployment are not all on one node.

    The scheduler moves no pod: those that were made when the cluster had one node stay there, whatever they prefer.
    kubeadm's guide (create-cluster-kubeadm) restarts the deployment after a join. It is enough that one of them goes:
    its successor prefers a node that has none, and all the others answer meanwhile.

    Args:
        deployment: in kube-system.
        selector: of its pods, such as ``k8s-app=kube-dns``.
    """

    kind: ClassVar[str] = "kubernetes.spread"
    undoing: ClassVar[Undo] = Undo.NOTHING

    deployment: str
    selector: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"spread the pods of {self.deployment} over nodes"

    def observe(self, on: Context) -> Observation:
        """Whether two of them are on different nodes. One by itself, or none, has nothing to be spread."""
        try:
            placed = self._placed(on)
        except CommandFailedTemporarily as error:
            return Observation(satisfied=False, reason=error.seen or error.message)
        waiting = sorted(pod for pod, node in placed.items() if not node)
        said = f"{waiting[0]} has no node yet" if waiting else _together(placed)
        return Observation(satisfied=not said, reason=said)

    def apply(self, on: Context, before: Before) -> None:
        """Have one of them replaced, when all are there and together: never the last one that answers."""
        _ = before
        self._await_all(on)
        placed = self._placed(on)
        if _together(placed):
            pod = max(placed)
            kubectl.change(on, "delete", _NAMESPACE, f"pod/{pod}", "--ignore-not-found", "--wait=true")
            self._await_all(on)

    def _await_all(self, on: Context) -> None:
        wait = ("rollout", "status", _NAMESPACE, f"deployment/{self.deployment}", f"--timeout={_SLICE}s")
        ended = kubectl.ask(on, *wait, timeout=_SLICE + 10.0)
        if not ended.ok:
            raise NotYet(
                f"{self.title}: not all of them are ready after {_SLICE} s",
                host=on.host.name,
                seen=ended.said,
                hint=f"see `kubectl -n kube-system describe pods -l {self.selector}`",
            )

    def verify(self, on: Context) -> None:
        """Nothing to add: where nodes have no room, the scheduler may put them together again."""

    def _placed(self, on: Context) -> dict[str, str]:
        """The node of each pod; nothing for one that has none yet."""
        row = "{.metadata.name} {.spec.nodeName}{'\\n'}"
        output = f"--output=jsonpath={{range .items[*]}}{row}{{end}}"
        which = (f"--selector={self.selector}", "--field-selector=status.phase!=Failed")
        said = kubectl.answer(on, "get", "pods", _NAMESPACE, *which, output)
        rows = (line.split() for line in said.splitlines())
        return {row[0]: row[1] if row[1:] else "" for row in rows if row}


def _together(placed: Mapping[str, str]) -> str:
    """Where several pods all are, in words; nothing if they aren't on one node."""
    nodes = set(placed.values())
    return f"all are on {nodes.pop()}" if len(placed) > 1 and len(nodes) == 1 else ""
