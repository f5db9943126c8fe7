"""A node of the cluster that is about to leave: no new pods, no pods, no node. Asked for on another host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from klusterkit.engine.errors import CommandFailedTemporarily, NotYet, PermanentError
from klusterkit.engine.host import Host
from klusterkit.engine.step import Before, Context, Observation, Step
from klusterkit.tasks import etcdctl, kubectl, note
from klusterkit.tasks.gates import READY, Gate
from klusterkit.tasks.node import take_out

_SLICE = 10
"""Seconds that one kubectl drains: between two, a run can be stopped."""
_OWN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
"""What the API server gives an object itself."""


@dataclass(frozen=True)
class Pod:
    """A pod on a node, as draining sees it."""

    name: str
    """With its namespace: ``default/web-0``."""
    controller: str
    """The kind of what would make it anew elsewhere; empty where nothing would."""
    phase: str
    static: bool
    """The kubelet's own, from a file: the API only mirrors it."""
    empty_dir: bool
    """It has data in an emptyDir, which ends with it."""

    @property
    def leaves(self) -> bool:
        """Whether draining is about it: what each node has for itself stays until the node goes."""
        return not self.static and self.controller != "DaemonSet"

    @property
    def is_lost(self) -> bool:
        """Whether it runs, and would not be made anew elsewhere."""
        return self.leaves and not self.controller and not self.is_over

    @property
    def loses_data(self) -> bool:
        """Whether it runs, and what it keeps in an emptyDir would end with it."""
        return self.leaves and self.empty_dir and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether it has run to its end."""
        return self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True)
class Cost:
    """What draining a node would cost, and nobody has agreed to."""

    what: str
    pods: tuple[str, ...]
    option: str
    """By which one agrees."""

    @property
    def hint(self) -> str:
        """What to do."""
        return f"delete them yourself, or say {self.option} to have them deleted"


def costs(pods: Sequence[Pod], *, force: bool, local_data: bool) -> Iterator[Cost]:
    """What draining these pods would cost beyond what was agreed to."""
    lost = [pod.name for pod in pods if pod.is_lost]
    data = [pod.name for pod in pods if pod.loses_data]
    if lost and not force:
        yield Cost("it has pods that nothing would make anew elsewhere", tuple(lost), "--drain-force")
    if data and not local_data:
        yield Cost("it has pods that keep data in an emptyDir", tuple(data), "--drain-delete-local-data")


_COLUMNS = {
    "NAMESPACE": ".metadata.namespace",
    "NAME": ".metadata.name",
    "CONTROLLER": ".metadata.ownerReferences[?(@.controller==true)].kind",
    "PHASE": ".status.phase",
    "STATIC": r".metadata.annotations.kubernetes\.io/config\.mirror",
    "EMPTY": ".spec.volumes[*].emptyDir",
}
_NONE = "<none>"


def pods_on(host: Host, node: str) -> list[Pod]:
    """The pods of a node, asked for on a control-plane host. Raises ``CommandFailedTemporarily``."""
    rows = _table(host, "pods", _COLUMNS, f"--field-selector=spec.nodeName={node}")
    return [
        Pod(
            name=f"{namespace}/{name}",
            controller=controller.replace(_NONE, ""),
            phase=phase,
            static=static != _NONE,
            empty_dir=empty != _NONE,
        )
        for namespace, name, controller, phase, static, empty in rows
    ]


def _table(host: Host, what: str, columns: dict[str, str], *options: str) -> list[list[str]]:
    form = ",".join(f"{name}:{path}" for name, path in columns.items())
    command = kubectl.command("get", what, "--all-namespaces", f"--output=custom-columns={form}", "--no-headers")
    ended = host.run([*command, *options], timeout=30.0)
    if not ended.ok:
        raise CommandFailedTemporarily(f"the API doesn't tell of {what}", host=host.name, seen=ended.said)
    return [line.split(None, len(columns) - 1) for line in ended.text.splitlines()]


class Gone(Gate):
    """Open while a machine that is to be left behind is as gone as it seems: others hear nothing of it.

    It is asked again when the plan runs: a machine that has come back meanwhile would lose its vote while it serves.

    Args:
        node: its name in Kubernetes.
        client: its etcd's client URL; None for a machine that has none.
    """

    kind: ClassVar[str] = "gate.gone"
    hint: ClassVar[str] = (
        "see why, or switch it off; what was switched off counts as gone after a minute. If it is to leave alive, "
        "delete it without --gone"
    )

    node: str
    client: str | None = None

    @property
    def title(self) -> str:
        """What is waited for."""
        return f"see that {self.node} is gone"

    def missing(self, on: Context) -> str:
        """What of it is alive. Raises ``CommandFailedTemporarily`` where the API doesn't tell: that is no sign."""
        if self.client and etcdctl.healthy(on, [self.client]):
            return "its etcd works"
        ready = _of_node(on, self.node, f"jsonpath={{{READY}.status}}")
        return "its node is Ready" if ready == "True" else ""


class Cordon(Step):
    """Keep new pods off a node. Undo lets them in again, unless somebody had kept them off before."""

    kind: ClassVar[str] = "node.cordon"

    node: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"cordon the node {self.node}"

    def observe(self, on: Context) -> Observation:
        """Whether it is cordoned. A node that isn't there takes no pods."""
        shown = _of_node(on, self.node, "jsonpath={.metadata.name} {.spec.unschedulable}").split()
        before = {"there": bool(shown), "cordoned": shown[1:] == ["true"]}
        satisfied = not before["there"] or before["cordoned"]
        return Observation(satisfied=satisfied, before=before, reason="" if satisfied else "it takes new pods")

    def apply(self, on: Context, before: Before) -> None:
        """Cordon it."""
        _ = before
        kubectl.change(on, "cordon", self.node)

    def undo(self, on: Context, before: Before) -> None:
        """Uncordon it."""
        if before["there"] and not before["cordoned"]:
            kubectl.change(on, "uncordon", self.node)


class Drain(Gate):
    """Have all pods of a node go elsewhere, as their PodDisruptionBudgets allow (Eviction API, as ``kubectl drain``).

    What each node has for itself (DaemonSets, static pods) stays. Pods that have gone stay where they are then: there
    is nothing to undo.

    Args:
        node: by its name.
        within: seconds that all of it may take; None to try for as long as the task may.
        force: whether pods go that nothing makes anew elsewhere.
        local_data: whether pods go that keep data in an emptyDir, which ends with them.
        grace: seconds that each pod gets to end; None for as long as it says itself.
    """

    kind: ClassVar[str] = "node.drain"
    hint: ClassVar[str] = (
        "give the pods more replicas elsewhere or change their PodDisruptionBudget, then `cctl resume` drains again "
        "(--drain-timeout gives a plan more time); `cctl rollback` gives the node its pods back"
    )

    node: str
    within: float | None = 300.0
    force: bool = False
    local_data: bool = False
    grace: int | None = None

    @property
    def title(self) -> str:
        """What it does."""
        return f"drain the node {self.node}"

    def missing(self, on: Context) -> str:
        """The pods that are still to go."""
        return ", ".join(pod.name for pod in pods_on(on.host, self.node) if pod.leaves)

    def apply(self, on: Context, before: Before) -> None:
        """Evict, again and again, until all have gone or the time is up."""
        _ = before
        try:
            self.wait(on if self.within is None else replace(on, timeout=self.within), self._drained)
        except NotYet as error:
            # Time was given for all attempts together: what may pass has had it.
            raise PermanentError(error.message, host=error.host, seen=error.seen, hint=error.hint) from None

    def _drained(self, on: Context) -> str:
        self._refuse_costs(on)
        options = ["--force"] if self.force else []
        options += ["--delete-emptydir-data"] if self.local_data else []
        options += [] if self.grace is None else [f"--grace-period={self.grace}"]
        what = ("drain", self.node, "--ignore-daemonsets", f"--timeout={_SLICE}s")
        ended = kubectl.ask(on, *what, *options, timeout=_SLICE + 10.0)
        missing = "" if ended.ok else self.missing(on)
        return f"{missing}: {_why_not(on, ended.said)}" if missing else ""

    def _refuse_costs(self, on: Context) -> None:
        for cost in costs(pods_on(on.host, self.node), force=self.force, local_data=self.local_data):
            raise PermanentError(
                f"{self.node} can't be drained: {cost.what}",
                host=on.host.name,
                seen=", ".join(cost.pods),
                hint=f"delete them yourself, then `cctl resume`; or `cctl rollback`, and plan with {cost.option}",
            )


def _why_not(on: Context, said: str) -> str:
    columns = {"NAMESPACE": ".metadata.namespace", "NAME": ".metadata.name", "LEFT": ".status.disruptionsAllowed"}
    rows = _table(on.host, "poddisruptionbudgets", columns)
    full = [f"{namespace}/{name}" for namespace, name, left in rows if left == "0"]
    budgets = f"; PodDisruptionBudgets that let none go now: {', '.join(full)}" if full else ""
    return f"{said.splitlines()[-1] if said else 'kubectl drain says nothing'}{budgets}"


class DeleteNode(Step):
    """Take a node out of the cluster's API. Undo makes it anew, with the labels, taints and networks that it had."""

    kind: ClassVar[str] = "node.delete"
    takes_away: ClassVar[bool] = True

    node: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"delete the node {self.node}"

    def observe(self, on: Context) -> Observation:
        """Whether it is gone."""
        there = bool(_of_node(on, self.node, "name"))
        return Observation(satisfied=not there, before={"there": there}, reason="it is there" if there else "")

    def apply(self, on: Context, before: Before) -> None:
        """Write down what it is, then delete it."""
        _ = before
        found = _of_node(on, self.node, "json")
        if found:
            note.write(on, self._note, _made_anew(json.loads(found)))
        take_out(on, self.node)

    def undo(self, on: Context, before: Before) -> None:
        """Make it anew."""
        if before["there"] and not self.observe(on).before["there"]:
            kubectl.change(on, "create", "--filename=-", stdin=json.dumps(note.read(on, self._note)).encode())
        note.remove(on, self._note)

    @property
    def _note(self) -> str:
        return f"nodes/{self.node}"


def _made_anew(node: dict[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in node["metadata"].items() if name not in _OWN}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": node["spec"]}


def _of_node(on: Context, node: str, output: str) -> str:
    """What the API says of a node; nothing where there is none. Raises ``CommandFailedTemporarily``."""
    return kubectl.answer(on, "get", f"node/{node}", "--ignore-not-found", f"--output={output}")
