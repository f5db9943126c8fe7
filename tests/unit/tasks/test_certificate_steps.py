from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from step_world import World

from klusterkit.engine.errors import PermanentError
from klusterkit.engine.plan import Plan, Task
from klusterkit.pki import Authority, Leaf, Usage
from klusterkit.tasks.certificates import Certificate, Kubeconfig

LEAF = Leaf(common_name="kube-apiserver", dns_names=("m1",), ip_addresses=("10.0.0.5",), usages=(Usage.SERVER,))  # type: ignore[arg-type]
CLIENT = Leaf(common_name="kubernetes-admin", organizations=("kubeadm:cluster-admins",), usages=(Usage.CLIENT,))
STEP = Certificate(authority="ca", leaf=LEAF, path_certificate="/etc/a.crt", path_key="/etc/a.key")
CONFIG = Kubeconfig(authority="ca", leaf=CLIENT, server="https://10.0.0.5:6443", path="/etc/admin.conf", cluster="demo")


@cache
def authority(which: int = 0) -> Authority:
    return Authority.create("kubernetes", now=datetime.now(UTC) - timedelta(days=500))


@pytest.fixture
def world() -> World:
    return World({"ca.crt": authority().cert_pem.encode(), "ca.key": authority().key_pem.encode()})


def put(world: World, by: Authority, leaf: Leaf = LEAF, age: timedelta = timedelta()) -> None:
    issued = by.issue(leaf, datetime.now(UTC) - age)
    world.tree.write("/etc/a.crt", issued.cert_pem)
    world.tree.write("/etc/a.key", issued.key_pem, 0o600)


def test_a_certificate_is_issued_with_a_key_that_only_root_reads(world: World) -> None:
    world.do(STEP)

    assert world.observe(STEP).satisfied
    assert (world.tree.find("/etc/a.crt").mode, world.tree.find("/etc/a.key").mode) == (0o644, 0o600)


def test_a_good_certificate_is_left_alone(world: World) -> None:
    put(world, authority())

    assert world.observe(STEP).satisfied


@pytest.mark.parametrize(
    ("arrange", "reason"),
    [
        (lambda world: None, "/etc/a.crt: not there; /etc/a.key: not there"),
        (lambda world: put(world, authority(1)), "it is not signed with the key of CN=kubernetes"),
        (lambda world: put(world, authority(), CLIENT), "its subject is CN=kubernetes-admin"),
        (lambda world: put(world, authority(), LEAF.also_for(["other"])), "it is also valid for other"),
        (lambda world: put(world, authority(), age=timedelta(days=300)), "it is due for renewal"),
        (lambda world: (put(world, authority()), world.tree.write("/etc/a.key", "no key", 0o600)), "can't be read"),
        (lambda world: (put(world, authority()), world.tree.write("/etc/a.crt", b"\xff")), "not a certificate"),
    ],
)
def test_a_certificate_that_would_not_do_is_issued_anew(
    world: World, arrange: Callable[[World], None], reason: str
) -> None:
    arrange(world)
    seen = world.observe(STEP)

    assert not seen.satisfied
    assert reason in seen.reason
    world.do(STEP)
    assert world.observe(STEP).satisfied


def test_a_key_that_others_may_read_is_issued_anew(world: World) -> None:
    put(world, authority())
    world.tree.find("/etc/a.key").mode = 0o644

    assert world.observe(STEP).reason == "/etc/a.key: root:root, mode 644; wanted root:root, 600"


def test_a_kubeconfig_is_issued_and_recognised(world: World) -> None:
    world.do(CONFIG)

    assert world.observe(CONFIG).satisfied
    assert world.tree.find("/etc/admin.conf").mode == 0o600


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"server": "https://10.0.0.6:6443"}, "its server is https://10.0.0.5:6443, wanted https://10.0.0.6:6443"),
        ({"cluster": "other"}, "its cluster is demo, wanted other"),
        ({"leaf": LEAF}, "its user is kubernetes-admin, wanted kube-apiserver"),
    ],
)
def test_a_kubeconfig_for_something_else_is_issued_anew(world: World, change: dict[str, object], reason: str) -> None:
    world.do(CONFIG)

    assert reason in world.observe(CONFIG.model_copy(update=change)).reason


def test_a_kubeconfig_of_another_authority_is_issued_anew(world: World) -> None:
    other = World({"ca.crt": authority(1).cert_pem.encode(), "ca.key": authority(1).key_pem.encode()})
    other.do(CONFIG)
    world.tree.write("/etc/admin.conf", other.tree.read("/etc/admin.conf"), 0o600)

    assert "it trusts another authority" in world.observe(CONFIG).reason


@pytest.mark.parametrize("content", [b"", b"{", b"clusters: []", b"- 1", b"clusters: [{}]\nusers: [{}]", b"\xff"])
def test_what_is_no_kubeconfig_is_replaced(world: World, content: bytes) -> None:
    world.tree.write("/etc/admin.conf", content, 0o600)

    assert world.observe(CONFIG).reason == "/etc/admin.conf can't be read as a kubeconfig"


def test_an_authority_that_can_not_issue_is_said() -> None:
    world = World({"ca.crt": authority().cert_pem.encode(), "ca.key": authority(1).key_pem.encode()})
    with pytest.raises(PermanentError, match="the private key does not belong to the certificate") as caught:
        world.do(STEP)

    assert caught.value.hint


def test_no_key_is_in_what_is_kept_or_shown(world: World) -> None:
    for step in (STEP, CONFIG):
        seen = world.observe(step)
        before = world.do(step)
        task = Task(id="m1/a", host="m1", step=step)
        plan = Plan(operation="test", lineage="l", serial=1, tasks=(task,)).to_yaml()
        told = (
            plan,
            step.title,
            str(before),
            str(seen),
            str(step.differences(world.on(), seen)),
            str(world.observe(step)),
        )

        assert "PRIVATE KEY" not in "".join(told)
    for path in ("/etc/a.key", "/etc/admin.conf"):
        secrets = [line for line in world.tree.read(path).decode().splitlines() if len(line) > 60]
        assert secrets
        assert not any(line.strip() in text for line in secrets for text in told)


def test_a_plan_with_certificates_can_be_read_back() -> None:
    tasks = [Task(id=f"m1/{step.kind}", host="m1", step=step) for step in (STEP, CONFIG)]
    plan = Plan(operation="test", lineage="l", serial=1, tasks=tuple(tasks))

    assert Plan.from_yaml(plan.to_yaml()) == plan
