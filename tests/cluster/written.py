"""Writers on a real cluster, and what it has kept of what they wrote."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.cluster.machines import Machines
from tests.support.writers import PATIENCE, Writers


@contextmanager
def written(machines: Machines, patience: float = PATIENCE) -> Iterator[Writers]:
    """They write all through this block; at its end, all that was acknowledged has to be there."""
    namespace = f"written-{secrets.token_hex(3)}"
    manifest = machines.operator.folder / "namespace.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
    machines.kubectl("apply", "-f", str(manifest))
    with Writers(machines.kubeconfig, namespace, patience=patience) as writers:
        writers.go_on()
        yield writers
        writers.go_on()
    assert writers.acknowledged - _kept(machines, namespace) == set()
    machines.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def _kept(machines: Machines, namespace: str) -> set[str]:
    """The ConfigMaps that the API has, each with what was written into it."""
    listed = json.loads(machines.kubectl("get", "configmaps", "--namespace", namespace, "-o", "json"))["items"]
    return {each["metadata"]["name"] for each in listed if each.get("data") == {"name": each["metadata"]["name"]}}


def until(condition: Callable[[], bool], within: float = 120.0) -> None:
    """Look again and again."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not after {within:.0f} s"
        time.sleep(0.5)
