"""Saved plans are applied to a real host through the command line, as root, by sudo, and through a jump host.

They are small ones: what they do is two files, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_input import Laptop, Site, laptop, other_laptop

from klusterkit.cluster import Machine, Role
from klusterkit.engine.plan import Plan
from klusterkit.plans.draft import Draft
from klusterkit.state import StateFile
from klusterkit.tasks.files import TextFile

pytestmark = pytest.mark.hosts

HOST = "planned"
FIRST, SECOND = "/etc/klusterkit-first", "/etc/klusterkit-second"
BEHIND = "10.255.77.1"
"""An address that the host alone can reach."""


@pytest.fixture(scope="module")
def up(site: Site) -> Iterator[str]:
    site.lab("up", HOST)
    yield site.lab.address(HOST)
    site.lab("down", HOST)


@pytest.fixture
def host(site: Site, up: str) -> str:
    """The address of a host as new, that runs may change."""
    site.lab("reset", HOST)
    return up


@pytest.fixture
def operator(site: Site, tmp_path: Path) -> Laptop:
    return laptop(site, tmp_path / "laptop")


def on_host(operator: Laptop, script: str) -> str:
    return operator.lab("ssh", HOST, "--", script)


def content(operator: Laptop, path: str) -> str:
    return on_host(operator, f"stat -c '%U %a' {path} && cat {path}")


def save(operator: Laptop, address: str, user: str = "root") -> str:
    """Save a plan that adds this machine and writes two files there. Returns the file."""
    state = StateFile.load(operator.state).snapshot
    draft = Draft()
    tasks = draft.on("m")
    first = tasks.add("first", TextFile(path=FIRST, content="first\n", mode=0o640))
    tasks.add("second", TextFile(path=SECOND, content="second\n", mode=0o640), first)
    machine = Machine.of(name="m", address=address, roles=Role.MASTER, user=user)
    plan = Plan(
        operation="write two files",
        lineage=state.lineage,
        serial=state.serial,
        tasks=tuple(draft.tasks),
        outcome={"machines": [machine.to_object()]},
    )
    (operator.folder / "plan.yaml").write_text(plan.to_yaml())
    return "plan.yaml"


def test_a_saved_plan_is_applied_and_only_once(operator: Laptop, host: str) -> None:
    plan = save(operator, host)

    ended = operator("apply", plan)

    assert "2 tasks" in ended.out
    assert content(operator, FIRST) == "root 640\nfirst\n"
    assert content(operator, SECOND) == "root 640\nsecond\n"
    assert operator("get", "machine", "-o", "name").out == "machine/m\n"
    assert [run["outcome"] for run in json.loads(operator("history", "-o", "json").out)] == ["done"]
    assert "the state has moved on since the plan was made" in operator("apply", plan, rc=3).err


def test_a_login_that_is_not_root_applies_it_by_sudo(site: Site, host: str, tmp_path: Path) -> None:
    operator = other_laptop(site, tmp_path / "laptop", user="admin")

    operator("apply", save(operator, host, user="admin"))

    assert content(operator, SECOND) == "root 640\nsecond\n"


def test_a_host_behind_a_jump_host_is_reached_through_it(operator: Laptop, host: str) -> None:
    plan = save(operator, BEHIND)
    on_host(operator, f"ip address add {BEHIND}/32 dev lo")
    key = on_host(operator, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]

    operator("apply", plan, "--ssh-jump", f"root@{host}:22", "--host-key", key)

    assert content(operator, SECOND) == "root 640\nsecond\n"
    assert f"from {BEHIND} " in on_host(operator, "journalctl -u ssh -u sshd --no-pager | cat")


@pytest.mark.parametrize(("answer", "left"), [("--adopt", "theirs"), ("--retry", "first"), ("--skip", "theirs")])
def test_what_only_the_operator_can_know_is_asked_and_answered(
    operator: Laptop, host: str, answer: str, left: str
) -> None:
    """It was killed as it began; before it goes on, somebody else writes the file."""
    operator("apply", save(operator, host), rc=-9, crash_after=2)
    assert '"record":"begin"' in operator.state.read_text().splitlines()[-1]
    on_host(operator, f"echo theirs >{FIRST}")

    asked = operator("resume", rc=7)
    assert "m/first" in asked.err
    assert "--adopt m/first" in asked.err
    assert content(operator, FIRST).endswith("theirs\n")
    assert "m/first" in operator("status", rc=7).out
    assert operator("resume", rc=7).out

    operator("resume", answer, "m/first")

    assert content(operator, FIRST).endswith(f"{left}\n")
    assert content(operator, SECOND) == "root 640\nsecond\n"
    assert operator("get", "machine", "-o", "name").out == "machine/m\n"


def test_a_plan_that_would_change_something_ends_with_2_where_that_is_asked_for(operator: Laptop, host: str) -> None:
    plan = ["plan", "create", "machine", "--ip", host, "--role", "master"]

    assert "Plan: " in operator(*plan, "--detailed-exitcode", rc=2).out
    assert "Plan: " in operator(*plan, rc=0).out
