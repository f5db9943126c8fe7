"""Labels and taints of a node that is there: changed in the cluster's API, and exactly given back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from klusterkit.engine.step import Before, Context, Observation, Step
from klusterkit.tasks import kubectl


class NodeLabels(Step):
    """Give labels of a node these values. Others stay as they are.

    Args:
        node: its name.
        labels: by key; None for one that the node must not have.
    """

    kind: ClassVar[str] = "kubernetes.node-labels"

    node: str
    labels: dict[str, str | None]

    @property
    def title(self) -> str:
        """What it does."""
        return f"label the node {self.node}: {' '.join(_arguments(self.labels))}"

    def observe(self, on: Context) -> Observation:
        """What they are."""
        there = _node(on, self.node)["metadata"].get("labels", {})
        now = {key: there.get(key) for key in self.labels}
        wrong = [key for key, value in self.labels.items() if now[key] != value]
        reason = ", ".join(f"{key} is {now[key] if now[key] is not None else 'not there'}" for key in wrong)
        return Observation(satisfied=not wrong, before={"labels": now}, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Set them, all in one request."""
        _ = before
        self._set(on, self.labels)

    def undo(self, on: Context, before: Before) -> None:
        """Set them back."""
        self._set(on, before["labels"])

    def _set(self, on: Context, labels: Mapping[str, str | None]) -> None:
        kubectl.change(on, "label", f"node/{self.node}", *_arguments(labels), "--overwrite")


def _arguments(labels: Mapping[str, str | None]) -> list[str]:
    return [f"{key}-" if value is None else f"{key}={value}" for key, value in labels.items()]


class NodeTaints(Step):
    """Make these the taints of a node, among those that KlusterKit gave it; others (of conditions, of cordons) stay.

    Args:
        node: its name.
        taints: ``KEY=VALUE:EFFECT`` or ``KEY:EFFECT``.
        gone: likewise, those that the node must not have any more.
    """

    kind: ClassVar[str] = "kubernetes.node-taints"

    node: str
    taints: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it does."""
        return f"taint the node {self.node}: {' '.join((*self.taints, *(f'{_identity(each)}-' for each in self.gone)))}"

    def observe(self, on: Context) -> Observation:
        """Which of them are there."""
        there = {_identity(text): text for text in map(_text, _node(on, self.node)["spec"].get("taints", []))}
        about = [_identity(text) for text in (*self.taints, *self.gone)]
        now = sorted(there[each] for each in dict.fromkeys(about) if each in there)
        reason = "" if now == sorted(self.taints) else f"it has {', '.join(now) or 'none of them'}"
        return Observation(satisfied=not reason, before={"taints": now}, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Set them."""
        _ = before
        self._set(on, self.taints)

    def undo(self, on: Context, before: Before) -> None:
        """Set them back."""
        self._set(on, before["taints"])

    def _set(self, on: Context, wanted: tuple[str, ...] | list[str]) -> None:
        kept = {_identity(text) for text in wanted}
        there = {_identity(_text(each)) for each in _node(on, self.node)["spec"].get("taints", [])}
        about = dict.fromkeys(map(_identity, (*self.taints, *self.gone)))
        removed = [f"{each}-" for each in about if each in there and each not in kept]
        if wanted or removed:
            kubectl.change(on, "taint", "node", self.node, *wanted, *removed, "--overwrite")


def _identity(taint: str) -> str:
    """Key and effect: a node has one taint of each such pair (core/v1 Taint)."""
    body, _, effect = taint.rpartition(":")
    return f"{body.partition('=')[0]}:{effect}"


def _text(taint: Mapping[str, Any]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def _node(on: Context, name: str) -> dict[str, Any]:
    return json.loads(kubectl.answer(on, "get", f"node/{name}", "--output=json"))
