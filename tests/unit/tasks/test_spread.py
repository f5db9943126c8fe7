"""Pods of a deployment are not all on one node, and at no moment none of them answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from klusterkit.engine.errors import NotYet
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Context
from klusterkit.hosts.simulated import Machine, SimulatedHost
from klusterkit.tasks.kubectl import KUBECTL
from klusterkit.tasks.spread import Spread
from tests.support.posix import said
from tests.unit.tasks.step_world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def host(world: World) -> SimulatedHost:
    return world.host


@pytest.fixture
def on(world: World) -> Context:
    return world.on()


DNS = Spread(deployment="coredns", selector="k8s-app=kube-dns")


def listed(*pods: str) -> str:
    """As kubectl tells them: ``a m1`` is ready there, ``a`` has no node, ``a m1 starts``, ``a m1 goes``."""
    rows = [f"{pod}  ".split(" ")[:3] for pod in pods]
    return "".join(
        f"{name}|{node}|{bool(node) and not how}|{'now' if how == 'goes' else ''}\n" for name, node, how in rows
    )


@pytest.mark.parametrize(
    ("pods", "fine"),
    [
        (["a m1", "b m1"], False),
        (["a m1", "b m2"], True),
        (["a m1"], True),
        ([], True),
        (["a m1", "b"], False),
        (["a m1", "b m1 goes"], True),
        (["a m1", "b m2 goes", "c m1 starts"], False),
    ],
)
def test_pods_that_are_all_on_one_node_or_on_none_yet_are_to_be_spread(
    host: SimulatedHost, on: Context, pods: list[str], fine: bool
) -> None:
    host.program(KUBECTL, lambda *_: said(0, listed(*pods)))
    assert DNS.observe(on).satisfied is fine


def test_pods_that_can_not_be_seen_are_not_taken_as_spread(host: SimulatedHost, on: Context) -> None:
    host.program(KUBECTL, lambda *_: said(1, err="refused"))
    assert DNS.observe(on).reason == "refused"
    assert not DNS.observe(on).satisfied


def spread(
    host: SimulatedHost, on: Context, *looks: Sequence[str], rolled_out: bool = True, within: float = 30.0
) -> list[str]:
    """Spread pods that are seen so, look by look, and from the last one on. Returns what was told to go."""
    gone: list[str] = []
    left = [listed(*pods) for pods in looks]

    def kubectl(_: Machine, argv: Sequence[str], __: bytes) -> Completed:
        gone.extend(word for word in argv if "delete" in argv and word.startswith("pod/"))
        if "get" in argv:
            return said(0, left.pop(0) if len(left) > 1 else left[0])
        return said() if rolled_out or "status" not in argv else said(1, err="timed out waiting for the condition")

    host.program(KUBECTL, kubectl)
    try:
        DNS.apply(replace(on, timeout=within), {})
    except NotYet as error:
        gone.append(f"not yet: {error.seen}")
    assert len(left) == 1
    return gone


TOGETHER = ["a m1", "b m1"]


def test_one_pod_is_replaced_and_all_have_to_become_ready(host: SimulatedHost, on: Context) -> None:
    soon = [["a m1", "b m1 goes"], ["a m1", "b m1 goes", "c m2 starts"], ["a m1", "c m2"]]
    assert spread(host, on, TOGETHER, TOGETHER, *soon) == ["pod/b"]
    assert spread(host, on, TOGETHER, TOGETHER, *soon[:2], within=2.0) == ["pod/b", "not yet: 1 of 2 are ready"]


def test_no_pod_goes_where_the_last_of_them_has_come_to_another_node(host: SimulatedHost, on: Context) -> None:
    assert spread(host, on, ["a m1", "b m2 starts"], ["a m1", "b m2"]) == []


def test_no_pod_goes_while_it_may_be_the_only_one_that_answers(host: SimulatedHost, on: Context) -> None:
    assert spread(host, on, ["a m1", "b m1 starts"], within=0.2) == ["not yet: 1 of 2 are ready"]
    assert spread(host, on, TOGETHER, rolled_out=False, within=0.2) == ["not yet: timed out waiting for the condition"]
