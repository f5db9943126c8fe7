"""Status looks at hosts in bounded time, whatever is wrong with some of them, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from bad_input import Laptop

from klusterkit.cluster import Machine
from klusterkit.state import StateFile, lock

pytestmark = pytest.mark.hosts


@pytest.fixture(name="nobody")
def _nobody(operator: Laptop) -> str:
    """An address of the lab's network that no host has."""
    return str(ip_address(operator.site.address) + 100)


@pytest.fixture(name="watcher")
def _watcher(operator: Laptop, nobody: str) -> Laptop:
    """An operator whose state has a master on the lab's host, and a worker where there is nobody."""
    machines = [
        Machine.of(name="there", address=operator.site.address, roles="master", node_name="there", version="1.36.3"),
        Machine.of(name="gone", address=nobody, roles="node", node_name="gone", version="1.36.3"),
    ]
    with lock(operator.state, "test") as held:
        state = StateFile.load(operator.state, lock=held)
        objects = {"machines": [machine.to_object() for machine in machines]}
        state.fold(state.snapshot.model_copy(update=objects))
    return operator


@pytest.fixture(name="cable")
def _cable(operator: Laptop) -> Iterator[Laptop]:
    """Whatever becomes of the host's cable, it is plugged in again."""
    yield operator
    operator.site.lab("link", "fit", "up")


def components(ended: Any) -> dict[tuple[str, str], dict[str, Any]]:
    report = json.loads(ended.out)
    return {(each["machine"], each["name"]): each for each in report["components"]}


def test_a_host_that_is_not_there_is_told_and_the_others_are_looked_at(watcher: Laptop) -> None:
    found = components(watcher("status", "-o", "json", rc=5, timeout=60))

    assert not found["gone", "ssh"]["ok"]
    assert found["there", "ssh"]["ok"]
    assert found["there", "kubelet"]["seen"] == "missing: systemd knows no such unit"
    assert found["there", "certificates"]["brief"] == "missing"
    assert "no member answers" in found["", "quorum"]["seen"]
    watcher.site.assert_pristine()


def test_a_cable_that_is_pulled_while_status_is_watched_is_told_and_so_is_its_return(
    watcher: Laptop, cable: Laptop
) -> None:
    watching = watcher.start("status", "--watch", "--interval", "0.1", "-o", "json")
    assert watching.stdout is not None
    try:
        looks = (json.loads(line) for line in watching.stdout)
        assert reached(next(looks))
        cable.site.lab("link", "fit", "down")
        assert any(not reached(look) for look in looks)
        cable.site.lab("link", "fit", "up")
        assert any(reached(look) for look in looks)
    finally:
        watching.kill()
        watching.wait()


def reached(look: dict[str, Any]) -> bool:
    return next(each["ok"] for each in look["components"] if (each["machine"], each["name"]) == ("there", "ssh"))
