"""Before machines leave: who is there, who stays and can spare them; and all that is in the way, at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from klusterkit.engine.errors import HostUnreachable, UsageError
from klusterkit.engine.host import HOME, Host
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import PLACE
from klusterkit.plans.deletion import DrainOptions
from klusterkit.plans.reference import HIGHLY_AVAILABLE
from klusterkit.session import delete, sparing
from klusterkit.session.delete import Wanted, plan_delete
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.tasks.leaving import Pod
from tests.unit.plans.test_leaving_on_a_model import ALL, M1, M2, M3, W1, W2, Site
from tests.unit.session.conftest import Opened

Deleting = Callable[..., Plan]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def site(folder: Path) -> Site:
    made = Site(folder)
    for name, record in made.records.items():
        tree = made.model[name].machine.tree
        tree.makedirs(HOME, 0o700)
        tree.write(PLACE, json.dumps(record.data()), 0o600)
    return made


@pytest.fixture
def hold(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> Generator[Hold]:
    """The state of the site's cluster, and its hosts at the end of every connection."""
    hosts = {name: host.host for name, host in site.model.hosts.items()}

    @contextmanager
    def fleet(_: Hold, __: Sequence[Any]) -> Generator[dict[str, Any]]:
        yield hosts

    monkeypatch.setattr(delete, "fleet_for_machines", fleet)
    with opened() as held:
        objects = {"cluster": HIGHLY_AVAILABLE.to_object(), "machines": [machine.to_object() for machine in ALL]}
        held.state.fold(held.snapshot.model_copy(update=objects))
        yield held


@pytest.fixture
def deleting(hold: Hold) -> Deleting:
    """Plans a deletion of machines, or with none named of all."""
    return lambda *machines, **options: plan_delete(
        hold, Wanted(machines=tuple(machine.name for machine in machines), **options)
    )


def reasons(refused: Any) -> dict[str, str]:
    return {str(reason.host): f"{reason.message}: {reason.seen}" for reason in refused.value.reasons}


def cut_off(site: Site, name: str) -> None:
    """Its link to us is gone, and nothing else."""
    site.model[name].host.faults.fail(lambda _: True, HostUnreachable(f"{name} doesn't answer", host=name), times=10**6)


def test_machines_are_named_by_name_or_address_or_not_at_all_for_all(hold: Hold, deleting: Deleting) -> None:
    assert deleting(W1).outcome["removed"]["machines"] == [W1.name]
    assert plan_delete(hold, Wanted(machines=(str(W1.address),))).outcome == deleting(W1).outcome
    everything = deleting(confirm=HIGHLY_AVAILABLE.name)
    assert everything.operation == "delete cluster"
    assert everything.outcome["removed"]["machines"] == [machine.name for machine in ALL]


def test_a_machine_that_is_not_there_is_named(hold: Hold) -> None:
    with pytest.raises(UsageError, match=r"no machine 10\.0\.0\.99"):
        plan_delete(hold, Wanted(machines=(W1.name, "10.0.0.99")))


def test_the_plan_is_for_the_hosts_as_they_are(deleting: Deleting) -> None:
    assert set(deleting(W1).facts) == {W1.name, M1.name}
    assert set(deleting(M1, W1).facts) == {M1.name, W1.name, M2.name}


# Gone for good --------------------------------------------------------------------------------------------------------


def test_hosts_that_dont_answer_are_told_together_with_what_to_do(site: Site, deleting: Deleting) -> None:
    for machine in (W1, W2):
        site.model[machine.name].machine.power_off()
    with pytest.raises(Refused, match="nothing was changed") as caught:
        deleting(M3, W1, W2)
    assert set(reasons(caught)) == {W1.name, W2.name}
    assert all("--gone" in str(reason.hint) for reason in caught.value.reasons)


def test_what_is_gone_for_good_must_not_come_back(site: Site, hold: Hold, deleting: Deleting) -> None:
    site.model[M3.name].machine.power_off()
    site.model.etcd.keep({name: value for name, value in site.model.etcd.objects().items() if name != "node/h7"})
    plan = deleting(M3, gone=True)
    assert M3.name not in plan.hosts
    assert any("must not come back" in notice for notice in hold.notices)
    assert any("2 voting members" in notice for notice in hold.notices)


def test_a_host_that_only_we_cant_reach_isnt_gone(site: Site, deleting: Deleting) -> None:
    for machine in (M3, W1):
        cut_off(site, machine.name)
    with pytest.raises(Refused, match="can't be spared") as caught:
        deleting(M3, W1, gone=True)
    said = reasons(caught)
    assert "its etcd works" in said[M3.name]
    assert "its node is Ready" in said[W1.name]


def test_a_host_whose_record_is_gone_cant_be_taken_back(site: Site, deleting: Deleting) -> None:
    site.model[W1.name].machine.tree.remove(PLACE)
    with pytest.raises(Refused) as caught:
        deleting(W1)
    assert PLACE in reasons(caught)[W1.name]


# The end of a cluster -------------------------------------------------------------------------------------------------


def test_the_last_masters_take_more_than_a_yes(deleting: Deleting) -> None:
    for options in ({}, {"confirm": "another"}):
        with pytest.raises(UsageError, match="this ends the cluster") as caught:
            deleting(*ALL, **options)
        assert f"--confirm {HIGHLY_AVAILABLE.name}" in str(caught.value.hint)
    assert deleting(*ALL, confirm=HIGHLY_AVAILABLE.name).outcome["removed"]["machines"]


def test_machines_are_not_left_without_a_master(deleting: Deleting) -> None:
    with pytest.raises(UsageError, match="no master would be left") as caught:
        deleting(M1, M2, M3, W1, confirm=HIGHLY_AVAILABLE.name)
    assert caught.value.seen == W2.name


# What can't be spared -------------------------------------------------------------------------------------------------


def test_a_vote_that_the_others_need_is_refused_before_anything_begins(site: Site, deleting: Deleting) -> None:
    site.model[M3.name].machine.power_off()
    with pytest.raises(Refused, match="can't be spared") as caught:
        deleting(M2)
    said = reasons(caught)[M2.name]
    assert "1 of 2 members of etcd would work" in said
    assert "h7" in said


def test_with_the_dead_one_named_too_the_living_one_may_go(site: Site, deleting: Deleting) -> None:
    site.model[M3.name].machine.power_off()
    site.model.etcd.keep({name: value for name, value in site.model.etcd.objects().items() if name != "node/h7"})
    votes = [task.step.title for task in deleting(M2, M3, gone=True).tasks if task.irreversible]
    assert votes == ["take h7 out of etcd's members", "take h6 out of etcd's members"]


def test_a_master_that_stays_and_is_silent_is_told_later(site: Site, hold: Hold, deleting: Deleting) -> None:
    cut_off(site, M1.name)
    plan = deleting(M3)
    assert M1.name not in plan.hosts
    assert any(M1.name in notice and "the next change" in notice for notice in hold.notices)


def test_where_no_master_that_stays_answers_nothing_is_planned(site: Site, deleting: Deleting) -> None:
    for machine in (M1, M2):
        site.model[machine.name].machine.power_off()
    with pytest.raises(Refused, match="can't be asked on any of its masters"):
        deleting(W1)


def pods(*found: Pod) -> Callable[[Host, str], list[Pod]]:
    return lambda *_: list(found)


ALONE = Pod("default/alone", "", "Running", static=False, empty_dir=True)
WEB = Pod("default/web", "ReplicaSet", "Running", static=False, empty_dir=True)
PROXY = Pod("kube-system/proxy", "DaemonSet", "Running", static=False, empty_dir=True)


def test_data_that_ends_with_pods_is_told(hold: Hold, deleting: Deleting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparing, "pods_on", pods(WEB, PROXY))
    deleting(W1)
    assert hold.notices == [f"{W1.name}: pods that lose what they keep in an emptyDir: default/web"]


def test_pods_that_would_be_lost_stop_it_unless_that_is_wanted(
    hold: Hold, deleting: Deleting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparing, "pods_on", pods(ALONE, WEB))
    with pytest.raises(Refused) as caught:
        deleting(W1)
    assert "default/alone" in reasons(caught)[W1.name]
    deleting(W1, drain=DrainOptions(force=True))
    assert any("aren't made anew: default/alone" in notice for notice in hold.notices)
    deleting(W1, drain=DrainOptions(skip=True))
