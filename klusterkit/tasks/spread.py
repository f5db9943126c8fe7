"""Replicas on several nodes, so that no host that dies takes all of them along."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks import kubectl
from klusterkit.tasks.gates import failure, wait_until

_NAMESPACE = "--namespace=kube-system"
_SLICE = 10
"""Seconds that one kubectl waits for all of them: a run that is stopped doesn't have to wait longer."""


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
            pods = self._pods(on)
        except CommandFailedTemporarily as error:
            return Observation(satisfied=False, reason=error.seen or error.message)
        waiting = [pod.name for pod in pods if not pod.ready]
        said = f"{waiting[0]} isn't ready yet" if waiting else _together(pods)
        return Observation(satisfied=not said, reason=said)

    def apply(self, on: Context, before: Before) -> None:
        """Have one of them replaced, when all are there and together: never the last one that answers.

        Nobody waits for its end. CoreDNS answers for some seconds more when it was told to go (``lameduck``).
        """
        _ = before
        until = time.monotonic() + on.timeout
        pods = self._all(on)
        if _together(pods):
            gone = ("delete", _NAMESPACE, f"pod/{pods[-1].name}", "--ignore-not-found", "--wait=false")
            kubectl.change(_with_what_is_left(on, until), *gone)
            self._all(_with_what_is_left(on, until), at_least=len(pods))

    def verify(self, on: Context) -> None:
        """Nothing to add: where nodes have no room, the scheduler may put them together again."""

    def _all(self, on: Context, at_least: int = 0) -> Sequence[_Pod]:
        """The pods, when all are ready that there should be: a Deployment doesn't know at once of one that goes."""
        wait = ("rollout", "status", _NAMESPACE, f"deployment/{self.deployment}", f"--timeout={_SLICE}s")

        def missing(on: Context) -> str:
            ended = kubectl.ask(on, *wait, timeout=_SLICE + 10.0)
            pods = self._pods(on)
            wanted, ready = max(at_least, len(pods)), sum(pod.ready for pod in pods)
            return failure(ended) or (f"{ready} of {wanted} are ready" if ready < wanted else "")

        hint = f"see `kubectl -n kube-system describe pods -l {self.selector}`"
        wait_until(on, missing, title=self.title, hint=hint)
        return self._pods(on)

    def _pods(self, on: Context) -> Sequence[_Pod]:
        """Those that stay, by their names."""
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        row = f"{{.metadata.name}}|{{.spec.nodeName}}|{ready}|{{.metadata.deletionTimestamp}}{{'\\n'}}"
        output = f"--output=jsonpath={{range .items[*]}}{row}{{end}}"
        which = (f"--selector={self.selector}", "--field-selector=status.phase!=Failed")
        rows = (line.split("|") for line in kubectl.answer(on, "get", "pods", _NAMESPACE, *which, output).splitlines())
        return sorted(_Pod(name, node, ready == "True") for name, node, ready, going in rows if not going)


class _Pod(NamedTuple):
    name: str
    node: str
    ready: bool


def _with_what_is_left(on: Context, until: float) -> Context:
    """Of the time of an attempt."""
    return replace(on, timeout=max(1.0, until - time.monotonic()))


def _together(pods: Sequence[_Pod]) -> str:
    """Where several pods all are, in words; nothing if they aren't on one node."""
    nodes = {pod.node for pod in pods}
    return f"all are on {nodes.pop()}" if len(pods) > 1 and len(nodes) == 1 else ""
