"""What an earlier run did is taken back as it would have taken it back itself; cut anywhere, and both ways."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from step_world import MOMENTS, TASK, World, notes, seen, tell_every_story, travelled
from test_steps_survive_cuts import (
    UNIT,
    Prior,
    archive,
    files_at,
    folders_at,
    unit,
    with_artifact,
    with_authority,
)

from klusterkit import tasks  # noqa: F401 - registers all kinds
from klusterkit.engine.host import HOME
from klusterkit.engine.step import Step, Undo
from klusterkit.hosts.simulated import SimulatedCrash
from klusterkit.pki import Leaf, Usage
from klusterkit.tasks.artifacts import Install
from klusterkit.tasks.certificates import Certificate
from klusterkit.tasks.files import Directory, SecretFile, TextFile
from klusterkit.tasks.kernel import Modules, Sysctl
from klusterkit.tasks.revert import Discard, Revert
from klusterkit.tasks.systemd import Service, Unit
from klusterkit.tasks.tree import Tree

few = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

EARLIER = "r0.2"
CLUSTER_WIDE = {"etcd.join", "etcd.objects", "etcd.promote", "kubernetes.node-labels", "kubernetes.node-taints"}
CLUSTER_WIDE |= {"kubernetes.object", "kubernetes.registration", "node.cordon", "node.delete"}
"""Kinds whose change isn't one of their host."""


def test_every_step_that_changes_its_host_says_what() -> None:
    changing = [kind for kind in Step._kinds.values() if kind.__module__.startswith("klusterkit.tasks")]
    silent = {
        kind.kind
        for kind in changing
        if kind.undoing is Undo.EXACT and kind.subject is Step.subject and kind.writes is Step.writes
    }
    assert silent == CLUSTER_WIDE | {Revert.kind}


def reverted(step: Step, *priors: Prior, world: Callable[[], World] = World) -> tuple[Revert, Callable[[], World]]:
    """Taking the step back, and machines on which it was done by an earlier run."""
    bare = world()
    for prior in priors:
        prior(bare)
    before = travelled(bare.observe(step).before)

    def make() -> World:
        made = world()
        for prior in priors:
            prior(made)
        on = made.on("m1/then", run=EARLIER)
        step.apply_many([step], [on], [before])
        return made

    return Revert(step=step, before=before, run=EARLIER, task="m1/then"), make


def survives(step: Step, *priors: Prior, world: Callable[[], World] = World) -> None:
    bare = world()
    for prior in priors:
        prior(bare)
    if bare.observe(step).satisfied:
        return
    untouched = seen(bare.host)
    revert, make = reverted(step, *priors, world=world)
    assert tell_every_story(revert, make) > 0
    done = make()
    done.do(revert)
    assert seen(done.host) == untouched, "as before the step was ever applied"


@few
@given(prior=folders_at("/etc/demo"))
def test_a_folder(prior: Prior) -> None:
    survives(Directory(path="/etc/demo", mode=0o750), prior)


@few
@given(prior=files_at("/etc/demo.conf"))
def test_a_file(prior: Prior) -> None:
    survives(TextFile(path="/etc/demo.conf", content="wanted\n"), prior)


@few
@given(prior=files_at("/etc/demo.key"))
def test_a_secret(prior: Prior) -> None:
    survives(SecretFile(path="/etc/demo.key", secret="demo.key"), prior, world=partial(World, {"demo.key": b"wanted"}))


@few
@given(there=st.booleans(), running=st.booleans())
def test_a_unit(there: bool, running: bool) -> None:
    survives(Unit(name="demo.service", content=UNIT), *([unit("[Service]\n", running=running)] if there else []))


@few
@given(enabled=st.booleans(), running=st.booleans())
def test_a_service(enabled: bool, running: bool) -> None:
    survives(Service(unit="demo.service", restart_for=("sha256:1",)), unit(enabled=enabled, running=running))


def test_a_data_folder() -> None:
    survives(Tree(path="/var/lib/demo", mode=0o700))


def test_a_program_from_an_artifact(tmp_path: Path) -> None:
    made = archive(tmp_path)
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    step = Install(name="demo", sha256=sha256, path="/usr/local/bin/demo")
    survives(step, world=with_artifact(made, uploaded=True))


def test_the_kernel() -> None:
    def settable(world: World) -> None:
        world.tree.makedirs("/proc/sys/net/ipv4")
        world.tree.write("/proc/sys/net/ipv4/ip_forward", "0\n")

    survives(Modules(names=("overlay", "br_netfilter")))
    survives(Sysctl(values={"net.ipv4.ip_forward": "1"}), settable)


LEAF = Leaf(common_name="demo", dns_names=("demo",), usages=(Usage.SERVER,))


@pytest.fixture
def certified() -> tuple[Revert, World]:
    step = Certificate(authority="ca", leaf=LEAF, path_certificate="/etc/demo.crt", path_key="/etc/demo.key")
    revert, make = reverted(step, world=with_authority)
    return revert, make()


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("change", range(1, 5))
def test_a_certificate_comes_back_as_it_was_and_not_as_a_new_one(
    certified: tuple[Revert, World], moment: str, change: int
) -> None:
    revert, world = certified
    issued = seen(world.host)
    before = travelled(world.observe(revert).before)
    world.host.faults.crash(moment, change)  # type: ignore[arg-type]
    with pytest.raises(SimulatedCrash):
        revert.apply(world.on(), before)
    revert.undo(world.on(attempt=2, undoing=True), before)
    assert seen(world.host) == issued


def test_what_somebody_changed_since_goes_with_it_and_comes_back_with_it() -> None:
    revert, make = reverted(TextFile(path="/etc/demo.conf", content="wanted\n"))
    for change in (
        lambda tree: tree.write("/etc/demo.conf", "by hand\n", 0o600),
        lambda tree: tree.remove("/etc/demo.conf"),
    ):
        world = make()
        change(world.tree)
        by_hand = seen(world.host)
        before = world.do(revert)
        assert world.tree.find("/etc/demo.conf") is None
        world.undo(revert, before)
        assert seen(world.host) == by_hand


def test_it_says_nothing_of_what_is_in_a_secret_file() -> None:
    revert, make = reverted(
        SecretFile(path="/etc/demo.key", secret="demo.key"), world=partial(World, {"demo.key": b"wanted"})
    )
    assert "sha256" not in str(make().observe(revert).before)


def test_a_copy_that_was_kept_then_is_found_under_the_name_of_then() -> None:
    revert, make = reverted(
        TextFile(path="/etc/demo.conf", content="wanted\n"), lambda world: world.tree.write("/etc/demo.conf", "own\n")
    )
    world = make()
    assert notes(world) == [f"{HOME}/kept/{EARLIER}/m1.then/etc%demo.conf"]
    world.do(revert)
    assert world.tree.read("/etc/demo.conf") == b"own\n"


def test_its_long_programs_carry_its_own_name() -> None:
    revert, make = reverted(Service(unit="demo.service"), unit())
    world = make()
    revert.apply(world.on(), travelled(world.observe(revert).before))
    assert world.host.job_state(f"r1.1/{TASK.replace('/', '.')}/1").status == "ended"


def test_data_that_is_lost_makes_a_point_of_no_return() -> None:
    revert, make = reverted(Tree(path="/var/lib/demo", on_undo="set-aside"))
    world = make()
    world.tree.write("/var/lib/demo/wal", b"data")
    discard = Discard.parse({**revert.spec(), "kind": Discard.kind})
    assert discard.undoing is Undo.IRREVERSIBLE
    assert discard.title == "set aside for good what is in /var/lib/demo"
    discard.apply(world.on(), {})
    discard.verify(world.on())
    kept = [path for path in notes(world) if "/set-aside/" in path]
    assert [path.rpartition("/")[2] for path in kept] == ["wal"]


OPEN = Tree(path="/etc/demo", on_undo="set-aside")
OWN = "/etc/demo/conf.d/own.yaml"


def with_files_of_others(make: Callable[[], World]) -> World:
    world = make()
    world.tree.makedirs("/etc/demo/conf.d")
    world.tree.write(OWN, "an operator's\n", 0o600)
    return world


def test_files_that_others_put_into_a_folder_come_back_with_it() -> None:
    revert, make = reverted(OPEN)
    assert tell_every_story(revert, partial(with_files_of_others, make)) > 0


def test_files_that_others_put_into_a_folder_are_set_aside_when_it_goes() -> None:
    revert, make = reverted(OPEN)
    world = with_files_of_others(make)
    world.do(revert)
    assert world.tree.find("/etc/demo") is None
    assert [path for path in notes(world) if "set-aside" in path and path.endswith("own.yaml")]


def test_what_pods_of_the_cluster_left_there_is_not_worth_setting_aside() -> None:
    revert, make = reverted(OPEN.model_copy(update={"leavings": ("conf.d/own.yaml",)}))
    world = with_files_of_others(make)
    world.do(revert)
    assert not [path for path in notes(world) if "set-aside" in path]
