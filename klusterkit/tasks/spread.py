"""Replicas on several nodes, so that no host that dies takes all of them along."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.errors import NotYet
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks import kubectl

_NAMESPACE = "--namespace=kube-system"


class Spread(Step):
    """See that the pods of a deployment are not all on one node.

    The scheduler moves no pod: those that were made when the cluster had one node stay there, whatever they prefer.
    They are replaced, one after the other, as kubeadm's guide (create-cluster-kubeadm) says to do after a join.

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
        ended = kubectl.ask(
            *(on, "get", "pods", _NAMESPACE, f"--selector={self.selector}"),
            "--output=jsonpath={range .items[*]}{.spec.nodeName}{'\\n'}{end}",
        )
        if not ended.ok:
            return Observation(satisfied=False, reason=ended.said)
        nodes = [node for node in ended.text.splitlines() if node]  # where pods are that have a place yet
        together = len(nodes) > 1 and len(set(nodes)) == 1
        return Observation(satisfied=not together, reason=f"all are on {nodes[0]}" if together else "")

    def apply(self, on: Context, before: Before) -> None:
        """Replace them. At each moment one is ready."""
        _ = before
        kubectl.change(on, "rollout", "restart", _NAMESPACE, f"deployment/{self.deployment}")
        wait = ("rollout", "status", _NAMESPACE, f"deployment/{self.deployment}", f"--timeout={on.timeout:.0f}s")
        ended = on.host.job(on.key, kubectl.command(*wait), timeout=on.timeout)
        if not ended.ok:
            raise NotYet(
                f"{self.title}: the new ones are not ready after {on.timeout:.0f} s",
                host=on.host.name,
                seen=ended.said,
                hint=f"see `kubectl -n kube-system describe pods -l {self.selector}`",
            )

    def verify(self, on: Context) -> None:
        """Nothing to add: where nodes have no room, the scheduler may put them together again."""
