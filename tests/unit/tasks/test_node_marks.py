"""Labels and taints of a node are changed, and each way back gives what was there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from step_world import World, tell_every_story

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Machine
from klusterkit.tasks.kubectl import KUBECTL
from klusterkit.tasks.nodemarks import NodeLabels, NodeTaints
from tests.support.posix import said

API = "/var/lib/node.json"
"""The node as the API server knows it: in a file, so that a story sees whether it is as before."""

CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
OWN = {"key": "dedicated", "value": "web", "effect": "NoSchedule"}
STEPS = st.dictionaries(st.sampled_from(["disk", "rack", "zone"]), st.sampled_from(["a", "b", None]), min_size=1)


def made(labels: dict[str, str] | None = None, *taints: dict[str, str]) -> Callable[[], World]:
    def make() -> World:
        world = World()
        node = {"metadata": {"name": "w1", "labels": labels or {}}, "spec": {"taints": [*taints]} if taints else {}}
        world.tree.write(API, json.dumps(node, sort_keys=True))
        world.host.program(KUBECTL, kubectl)
        return world

    return make


def node(world: World) -> dict[str, Any]:
    return json.loads(world.tree.read(API))


def kubectl(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    """``get node/w1``, ``label node/w1 …`` and ``taint node w1 …``, as kubectl takes them."""
    known = json.loads(machine.tree.read(API))
    words = [word for word in argv[1:] if not word.startswith("--")]
    match words:
        case ["get", "node/w1"]:
            return said(out=json.dumps(known))
        case ["label", "node/w1", *pairs]:
            for pair in pairs:
                key, equals, value = pair.partition("=")
                if equals:
                    known["metadata"]["labels"][key] = value
                else:
                    known["metadata"]["labels"].pop(key.removesuffix("-"), None)
        case ["taint", "node", "w1", *taints] if taints:
            for text in taints:
                body, _, effect = text.removesuffix("-").rpartition(":")
                key, _, value = body.partition("=")
                others = [t for t in known["spec"].get("taints", []) if (t["key"], t["effect"]) != (key, effect)]
                new = [{"key": key, **({"value": value} if value else {}), "effect": effect}]
                both = others if text.endswith("-") else sorted([*others, *new], key=json.dumps)
                known["spec"] = {"taints": both} if both else {}
        case _:
            return said(1, err=f"the server doesn't have a resource type {' '.join(words)}")
    machine.tree.write(API, json.dumps(known, sort_keys=True))
    return said()


@settings(max_examples=15)
@given(there=STEPS, wanted=STEPS)
def test_labels_are_changed_and_given_back_wherever_it_is_cut(
    there: dict[str, str | None], wanted: dict[str, str | None]
) -> None:
    before = {key: value for key, value in there.items() if value}
    if all(before.get(key) == value for key, value in wanted.items()):
        return
    assert tell_every_story(NodeLabels(node="w1", labels=wanted), made(before)) > 0


@pytest.mark.parametrize(
    ("there", "step"),
    [
        ((), NodeTaints(node="w1", taints=("dedicated=db:NoSchedule",))),
        ((CORDON, OWN), NodeTaints(node="w1", taints=("dedicated=db:NoSchedule",))),
        ((CORDON, OWN), NodeTaints(node="w1", gone=("dedicated=web:NoSchedule",))),
        ((OWN,), NodeTaints(node="w1", taints=("dedicated:NoExecute",), gone=("dedicated=web:NoSchedule",))),
    ],
)
def test_taints_are_changed_and_given_back_wherever_it_is_cut(
    there: tuple[dict[str, str], ...], step: NodeTaints
) -> None:
    assert tell_every_story(step, made({}, *there)) > 0


def test_taints_of_others_stay() -> None:
    world = made({}, CORDON, OWN)()
    step = NodeTaints(node="w1", taints=("a:NoExecute",), gone=("dedicated=web:NoSchedule",))
    step.apply(world.on(), step.observe(world.on()).before)

    assert CORDON in node(world)["spec"]["taints"]
    assert {taint["key"] for taint in node(world)["spec"]["taints"]} == {CORDON["key"], "a"}


def test_where_the_api_does_not_answer_nothing_is_taken_for_granted() -> None:
    world = made()()
    world.host.program(KUBECTL, lambda *_: said(1, err="connection refused"))
    with pytest.raises(CommandFailedTemporarily, match="failed on"):
        NodeLabels(node="w1", labels={"a": "b"}).observe(world.on())
