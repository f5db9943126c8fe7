"""What a node brings into a cluster's API, and how all of that goes again."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.errors import PermanentError
from klusterkit.engine.step import Before, Context, Observation, Step
from klusterkit.tasks import kubectl
from klusterkit.tasks.gates import wait_until
from klusterkit.tasks.probe import selector

_ABSENT = ""
_LEASES = "kube-node-lease"


class Registration(Step):
    """See that a node's name is free. Its kubelet registers it; undo takes it out of the cluster again.

    Asked on a master that is there before, not on the node's own host. Undo comes when the node's kubelet and pods are
    stopped: what the API still has of them nobody else would take away at once.

    Args:
        node: its name.
        address: by which others reach it.
    """

    kind: ClassVar[str] = "kubernetes.registration"

    node: str
    address: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"see that no other node is called {self.node}"

    def observe(self, on: Context) -> Observation:
        """Whether the node is there."""
        at = self._address(on)
        return Observation(satisfied=at == self.address, before={"address": at}, reason="it is not registered yet")

    def apply(self, on: Context, before: Before) -> None:
        """Refuse a name that another node has."""
        if before["address"] not in (_ABSENT, self.address):
            raise PermanentError(
                f"the cluster has a node {self.node} already",
                host=on.host.name,
                seen=f"its address is {before['address']}",
                hint="give the new host another name, or take the other node out of the cluster",
            )

    def verify(self, on: Context) -> None:
        """Nothing to add: the kubelet is yet to come."""

    def undo(self, on: Context, before: Before) -> None:
        """Take the node out of the cluster, with its pods, and with what a proof that was cut off left behind."""
        if before["address"] != _ABSENT:
            return
        take_out(on, self.node)

    def _address(self, on: Context) -> str:
        where = '{.status.addresses[?(@.type=="InternalIP")].address}'
        return kubectl.answer(on, "get", f"node/{self.node}", "--ignore-not-found", f"--output=jsonpath={where}")


def take_out(on: Context, node: str) -> None:
    """Take a node out of the cluster, with its pods, and with what a proof that was cut off left behind.

    The node first: as long as it is there, controllers give it new pods.
    """
    pods = ("--all-namespaces", f"--field-selector=spec.nodeName={node}")

    def left(on: Context) -> str:
        found = kubectl.answer(on, "get", "pods", *pods, "--output=name")
        return found and f"still there: {found}"

    kubectl.change(on, "delete", f"node/{node}", "--ignore-not-found")
    kubectl.change(on, "delete", f"lease/{node}", f"--namespace={_LEASES}", "--ignore-not-found")
    kubectl.change(on, "delete", "pods", *pods, "--force", "--grace-period=0", "--wait=false")
    kubectl.change(on, "delete", "pods,services", selector(node), "--namespace=kube-system")
    wait_until(on, left, title=f"take the node {node} out of the cluster")
