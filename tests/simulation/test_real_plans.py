"""Every plan that KlusterKit makes, walked on simulated hosts: steps, plan, engine, journal and state file are real."""

from __future__ import annotations

from pathlib import Path

import pytest

from klusterkit.engine.executor import Call, Outcome, Verb
from klusterkit.engine.plan import Task
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.session.running.records import UNSEALED
from klusterkit.session.status import drift
from klusterkit.session.supply.registry import ACCOUNT
from klusterkit.tasks.gates import Gate
from klusterkit.tasks.membership import Spared
from klusterkit.tasks.peers import Fetch, Serve
from klusterkit.tasks.preflight import MARK
from tests.simulation.crash import Life
from tests.simulation.real.digest import differing, host, left_in_home
from tests.simulation.real.ends import finish
from tests.simulation.real.story import RealStory, lived
from tests.simulation.real.worlds import (
    CHANGING,
    COMING,
    LEAVING,
    MASTER_LEAVES,
    MOST_MASTERS,
    NO_NETWORK,
    ONE_MASTER,
    OTHER_ACCESS,
    OWN,
    PUSHED,
    SEVERAL_LEAVE,
    THREE_MASTERS,
    WITH_WORKERS,
    WORLDS,
    World,
)
from tests.simulation.story import BACK, FORWARD, Direction, Episode
from tests.support import supplies
from tests.support.jsonexecutor import JsonExecutor

pytestmark = pytest.mark.usefixtures("without_pauses")

MAKING = {**COMING, **CHANGING}

every_plan = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
that_makes = pytest.mark.parametrize("world", MAKING.values(), ids=MAKING.keys())
that_takes_back = pytest.mark.parametrize("world", LEAVING.values(), ids=LEAVING.keys())


def impatient(world: World, kind: type[Gate]) -> list[Task]:
    """The tasks of a plan, of which gates of a kind give up at once."""
    tasks = world.plan.tasks
    return [task.model_copy(update={"timeout": 0.1}) if isinstance(task.step, kind) else task for task in tasks]


def asked(story: RealStory, verb: Verb) -> dict[str, Outcome]:
    """What each task answers."""
    executor = JsonExecutor(story.executor(Life(story.guard)))
    found: dict[str, Outcome] = {}
    for task in story.plan.tasks:
        call = Call(verb=verb, run="r1.0", task=task.id, host=task.host, step=task.step, timeout=task.timeout)
        (found[task.id],) = executor.perform([call])
    return found


@that_makes
def test_it_comes_up_and_leaves_nothing_behind_when_it_is_taken_back(world: World, tmp_path: Path) -> None:
    story = lived(world, tmp_path, told=False)
    assert story.model.answers is world.serves
    assert differing(story.digest(), story.before) != {}
    assert story.reach(BACK) is BACK
    assert differing(story.digest(), story.before) == {}
    story.check()


@that_takes_back
def test_hosts_that_leave_are_what_they_were_before_they_came(world: World, tmp_path: Path) -> None:
    """But for what etcd held, and files that nobody knows whose they are: all that KlusterKit keeps there."""
    story, bare = lived(world, tmp_path), world.bare()
    masters = {machine.name for machine in world.machines if machine.is_master}
    for name in world.leaving:
        assert differing(host(story.model, name), host(bare, name)) == {}
    for name in {*story.plan.outcome["removed"]["machines"]}.intersection(world.leaving):
        kept = left_in_home(story.model.nodes[name])
        assert all("/set-aside/" in path for path in kept)
        assert any(path.endswith("/member/snap/db") for path in kept) == (name in masters)


@that_makes
def test_when_it_is_there_nothing_is_left_to_do(world: World, tmp_path: Path) -> None:
    """But to serve artifacts again, which each run ends that has begun it."""
    story = lived(world, tmp_path)
    there = story.digest()
    undone = {name for name, outcome in asked(story, Verb.OBSERVE).items() if not _satisfied(outcome)}
    assert undone == {task.id for task in story.plan.tasks if isinstance(task.step, Serve)}
    assert differing(story.digest(), there) == {}


@every_plan
def test_looking_changes_nothing_and_tells_of_a_difference_where_there_is_one(world: World, tmp_path: Path) -> None:
    story = RealStory(world, tmp_path)
    for name, outcome in asked(story, Verb.DIFFER).items():
        assert outcome.error is None, name
        assert bool(outcome.differences) != _satisfied(outcome), name
    assert differing(story.digest(), story.before) == {}
    story.check()


def test_on_a_host_that_has_nothing_every_task_has_something_to_do(tmp_path: Path) -> None:
    story = RealStory(ONE_MASTER, tmp_path)
    assert not [name for name, outcome in asked(story, Verb.OBSERVE).items() if _satisfied(outcome)]


def test_what_several_hosts_need_all_but_one_get_from_each_other(tmp_path: Path) -> None:
    story = lived(THREE_MASTERS, tmp_path)
    jobs = [job for node in story.model.nodes.values() for job in node.machine.jobs.records.values()]
    fetched = [job.completed for job in jobs if job.argv[0] == "/bin/sh"]
    assert len(fetched) == sum(isinstance(task.step, Fetch) for task in story.plan.tasks) > 40
    assert all(completed and completed.ok for completed in fetched)


def holding(story: RealStory, content: bytes) -> list[tuple[str, str]]:
    """Files with this in them: the host, and the folder below which they are."""
    trees = {name: node.machine.tree for name, node in story.model.nodes.items()}
    files = [(name, each.path) for name, tree in trees.items() for each in tree.walk() if each.type == "file"]
    return [(name, path.rpartition("/")[0]) for name, path in files if content in trees[name].read(path)]


def test_another_account_is_where_the_old_one_was_and_that_one_nowhere_any_more(tmp_path: Path) -> None:
    story = RealStory(OTHER_ACCESS, tmp_path)
    old = supplies.secrets()[ACCOUNT]
    there = holding(story, old)
    assert {name for name, _ in there} == {"10.0.0.5", "10.0.0.6"}
    assert len(there) == 2 * 4
    finish(story, OTHER_ACCESS, FORWARD)
    assert holding(story, supplies.NEW_ACCOUNT) == there
    assert holding(story, old) == []


def test_with_another_account_hosts_are_as_they_were_left(tmp_path: Path) -> None:
    """What a host records names the account, and not which one it was."""
    story = lived(OTHER_ACCESS, tmp_path)
    for name, node in story.model.nodes.items():
        at = SimulatedHost(name, machine=node.machine)
        seen = drift.look(at, UNSEALED.read(at), lambda secret: OTHER_ACCESS.secret(story.model, secret))
        assert [subject for subject in seen.changed if subject.startswith("/etc/containerd/")] == []
        assert seen.looked_at > 20


def test_an_account_that_is_taken_back_leaves_the_old_one_where_it_was(tmp_path: Path) -> None:
    story = RealStory(OTHER_ACCESS, tmp_path, told=False)
    there = holding(story, supplies.secrets()[ACCOUNT])
    story.live(Episode(FORWARD))
    finish(story, OTHER_ACCESS, BACK)
    in_place = [each for each in holding(story, supplies.secrets()[ACCOUNT]) if each[1].startswith("/etc/")]
    assert in_place == there
    assert holding(story, supplies.NEW_ACCOUNT) == []


@pytest.mark.parametrize("goal", [FORWARD, BACK])
def test_a_bundle_that_is_pushed_comes_to_every_host_and_a_push_can_be_taken_back(
    goal: Direction, tmp_path: Path
) -> None:
    story = RealStory(PUSHED, tmp_path, told=False)
    trees = [node.machine.tree for node in story.model.nodes.values()]
    assert [sum(tree.find(path) is None for path in PUSHED.brought) for tree in trees][:3] == [
        3,
        len(PUSHED.brought) - 1,
        0,
    ]
    finish(story, PUSHED, goal)


def test_members_come_one_after_the_other_each_as_a_learner_first(tmp_path: Path) -> None:
    changes = lived(THREE_MASTERS, tmp_path).model.etcd.changes
    peers = [f"https://10.0.0.{number}:2380" for number in (6, 7)]
    assert changes == [f"{change} {peer}" for peer in peers for change in ("add", "promote")]


def test_three_masters_become_seven_and_are_three_again_when_it_is_taken_back(tmp_path: Path) -> None:
    story = lived(MOST_MASTERS, tmp_path, told=False)
    assert len(story.model.etcd.seats()) == 7
    known = {*story.model.nodes["10.0.0.11"].keepalived.peers, "10.0.0.11"}
    assert known == {f"10.0.0.{number}" for number in range(5, 12)}
    assert story.reach(BACK) is BACK
    assert len(story.model.etcd.seats()) == 3
    assert differing(story.digest(), story.before) == {}
    story.check()


def test_a_master_that_leaves_gives_up_the_lead_and_then_its_vote_and_is_expected_nowhere_any_more(
    tmp_path: Path,
) -> None:
    model = lived(MASTER_LEAVES, tmp_path).model
    assert model.etcd.changes == ["lead https://10.0.0.6:2380", "remove https://10.0.0.5:2380"]
    assert model.nodes["10.0.0.6"].keepalived.peers == ["10.0.0.7"]
    assert model.nodes["10.0.0.7"].keepalived.peers == ["10.0.0.6"]


def test_the_vote_of_a_dead_master_goes_before_those_of_the_living(tmp_path: Path) -> None:
    changes = lived(SEVERAL_LEAVE, tmp_path).model.etcd.changes
    removed = [change for change in changes if change.startswith("remove")]
    assert removed == [f"remove https://10.0.0.{number}:2380" for number in (7, 6)]


def systemctl(story: RealStory, verb: str) -> None:
    """On a master that stays."""
    story.model.nodes["10.0.0.7"].machine.systemd.systemctl([verb, "etcd.service"])


@pytest.mark.parametrize("goal", [FORWARD, BACK])
def test_a_vote_that_the_others_need_stays_until_they_are_back_and_till_then_all_can_be_taken_back(
    goal: Direction, tmp_path: Path
) -> None:
    story = RealStory(MASTER_LEAVES.with_tasks(impatient(MASTER_LEAVES, Spared)), tmp_path)
    systemctl(story, "stop")
    report = story.live(Episode(FORWARD))
    assert report is not None
    (error,) = report.errors.values()
    assert "spare 1 of its votes" in error.message
    assert "1 of 2 members of etcd would work" in str(error.seen)
    assert len(story.model.etcd.seats()) == 3
    systemctl(story, "start")
    finish(story, MASTER_LEAVES, goal)


def _satisfied(outcome: Outcome) -> bool:
    return outcome.observation is not None and outcome.observation.satisfied


@pytest.mark.parametrize(("world", "nodes"), [(ONE_MASTER, 1), (OWN, 1), (WITH_WORKERS, 3), (THREE_MASTERS, 5)])
def test_the_network_is_proved_on_every_node(world: World, nodes: int, tmp_path: Path) -> None:
    objects = lived(world, tmp_path).model.objects
    proved = [item["annotations"] for name, item in objects.items() if name.startswith("node/")]
    assert proved == [{"klusterkit.io/service-reached": "true"}] * nodes


def test_without_a_network_nodes_are_registered_and_no_more(tmp_path: Path) -> None:
    story = lived(NO_NETWORK, tmp_path)
    assert "node/m1" in story.model.objects
    assert not story.model.master.kubelet.ready


def test_a_host_that_is_another_machine_of_a_cluster_is_refused_and_left_alone(tmp_path: Path) -> None:
    story = RealStory(ONE_MASTER, tmp_path)
    tree = story.model.master.machine.tree
    for folder in ("/etc/kubernetes", "/var/lib/klusterkit"):
        tree.makedirs(folder)
    tree.write("/etc/kubernetes/admin.conf", "")
    tree.write(MARK, "lineage: another\n")
    before = story.digest()

    report = story.live(Episode(FORWARD))

    assert report is not None
    (error,) = report.errors.values()
    assert "already holds a Kubernetes" in error.message
    assert "admin.conf" in str(error.seen)
    assert differing(story.digest(), before) == {}
