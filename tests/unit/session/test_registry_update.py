"""A registry has another password or certificate: it is proved, planned for all hosts, and in the state at the end."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from klusterkit.bundle.reference import Place, Reference
from klusterkit.bundle.registry import Account, RegistryRefused
from klusterkit.cluster import Architecture, ArtifactKind, Cluster
from klusterkit.engine.errors import HostUnreachable, UsageError
from klusterkit.engine.journal import Journal
from klusterkit.engine.plan import Plan
from klusterkit.engine.runner import Report
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.pki import Authority
from klusterkit.plans.files.registry import AUTHORITY
from klusterkit.plans.reference import FACTS
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.machines import create, registry
from klusterkit.session.machines.create import artifacts_of
from klusterkit.session.machines.registry import WantedAccess, plan_registry_update
from klusterkit.session.onlooker import Nobody
from klusterkit.session.running.inputs import secret_for
from klusterkit.session.running.runs import fold
from klusterkit.session.supply.registry import ACCOUNT, look_up
from klusterkit.tasks.registry import RegistryFile
from tests.support.sites import FakeRegistry, RegistryHandler, serving

OLD, NEW = "correct horse", "another horse"
HELD = b64encode(f"puller:{OLD}".encode())
GIVEN = b64encode(f"puller:{NEW}".encode())
HOSTS = ("10.0.0.5", "w1")

Opened = Callable[[], AbstractContextManager[Hold]]


class Site:
    """The registry, which takes the new password by now, and hosts that have the old one."""

    def __init__(self, hold: Hold) -> None:
        self.registry = FakeRegistry({}, account=Account("puller", NEW))
        self.hosts = {name: SimulatedHost(name) for name in HOSTS}
        for host in self.hosts.values():
            host.machine.facts = FACTS
        cluster = hold.the_cluster()
        for image in artifacts_of(cluster, hold.machines, Architecture.AMD64):
            if image.kind is ArtifactKind.IMAGE:
                reference = Reference.parse(image.name)
                self.registry.put(Place.parse("r.example/site").repository(reference), str(reference.tag), b"layer")

    def cut_off(self, name: str) -> None:
        lost = HostUnreachable(f"{name} doesn't answer", host=name)
        self.hosts[name].faults.fail(lambda _: True, lost, times=10**6)


@pytest.fixture(name="hold")
def _hold(opened: Opened) -> Generator[Hold]:
    with opened() as hold:
        assert hold.cluster is not None
        has(hold, hold.cluster.replace(registry={"place": "registry.example/site", "account": ACCOUNT}))
        hold.state.fold(hold.state.with_secret(hold.snapshot, ACCOUNT, HELD))
        yield hold


def has(hold: Hold, cluster: Cluster) -> None:
    hold.state.fold(hold.snapshot.model_copy(update={"cluster": cluster.to_object()}))


@pytest.fixture(name="site", autouse=True)
def _site(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(hold)

    @contextmanager
    def fleet(*_: object) -> Generator[dict[str, SimulatedHost]]:
        yield site.hosts

    with serving(site.registry, RegistryHandler) as url:
        at = {"place": f"{url}/site"}
        monkeypatch.setattr(registry, "fleet_for_machines", fleet)
        for module in (registry, create):
            monkeypatch.setattr(module, "look_up", lambda where, *more: look_up(where.model_copy(update=at), *more))
        yield site


def planned(hold: Hold, **wanted: Any) -> Plan:
    return plan_registry_update(hold, WantedAccess(**wanted), Nobody()).checked()


def new_password(hold: Hold) -> Plan:
    return planned(hold, password=SecretStr(NEW))


def authority(folder: Path) -> Path:
    path = folder / "registry.crt"
    path.write_text(Authority.create("registry").cert_pem)
    return path


# What becomes a plan --------------------------------------------------------------------------------------------------


def test_another_password_is_written_to_every_file_on_every_host_that_has_the_account(hold: Hold) -> None:
    plan = new_password(hold)
    steps = [task.step for task in plan.tasks]
    assert plan.hosts == HOSTS
    assert all(isinstance(step, RegistryFile) and step.secret == ACCOUNT for step in steps)
    assert len(steps) == 2 * 4
    assert plan.operation == "update registry"


def test_the_registry_is_asked_with_it_for_all_images_of_the_cluster(hold: Hold, site: Site) -> None:
    new_password(hold)
    assert {header for header in site.registry.headers if header} == {Account("puller", NEW).header}
    tags = {path for path, _ in site.registry.asked if "sha256" not in path}
    assert tags == {path for path in site.registry.contents if "/manifests/" in path and "sha256" not in path}


def test_an_authority_alone_is_one_file_on_each_host_and_the_account_stays(
    hold: Hold, site: Site, tmp_path: Path
) -> None:
    site.registry.account = Account("puller", OLD)
    has(
        hold,
        hold.the_cluster().replace(registry={"place": "registry.example/site", "account": ACCOUNT, "authority": "X"}),
    )
    plan = planned(hold, ca=authority(tmp_path))
    assert [task.id for task in plan.tasks] == [f"{name}/containerd/registry-authority" for name in HOSTS]
    assert "secrets" not in plan.outcome
    assert hold.secret(ACCOUNT) == HELD
    assert Cluster.from_object(plan.outcome["cluster"]).registry is not None


def test_the_first_authority_is_there_before_the_files_that_name_it(hold: Hold, site: Site, tmp_path: Path) -> None:
    site.registry.account = Account("puller", OLD)
    plan = planned(hold, ca=authority(tmp_path))
    assert len(plan.tasks) == 2 * 5
    for task in plan.tasks:
        if isinstance(task.step, RegistryFile):
            assert f'ca = "{AUTHORITY}"' in task.step.content
            assert task.needs == (f"{task.host}/containerd/registry-authority",)


def test_a_registry_that_let_everybody_in_may_get_an_account(hold: Hold) -> None:
    has(hold, hold.the_cluster().replace(registry={"place": "registry.example/site"}))
    plan = planned(hold, username="puller", password=SecretStr(NEW))
    assert plan.outcome["secrets"] == {ACCOUNT: f"run/{ACCOUNT}"}
    after = Cluster.from_object(plan.outcome["cluster"]).registry
    assert after is not None
    assert after.account == ACCOUNT


def test_what_the_cluster_has_already_is_nothing_to_do(hold: Hold, site: Site) -> None:
    before = hold.state.path.read_bytes()
    assert planned(hold, password=SecretStr(OLD)).empty
    assert site.registry.asked == []
    assert hold.state.path.read_bytes() == before


# What is refused ------------------------------------------------------------------------------------------------------


def test_an_account_that_the_registry_does_not_take_is_refused_without_its_password(hold: Hold) -> None:
    before = hold.state.path.read_bytes()
    with pytest.raises(RegistryRefused, match="as puller") as refused:
        planned(hold, password=SecretStr("a third horse"))
    assert "third" not in f"{refused.value} {refused.value.seen} {refused.value.hint}"
    assert hold.state.path.read_bytes() == before


def test_hosts_that_cannot_be_told_are_named_and_nothing_is_kept(hold: Hold, site: Site) -> None:
    before = hold.state.path.read_bytes()
    site.cut_off("w1")
    with pytest.raises(Refused, match=r"^w1 can't be told of the registry; nothing was changed") as refused:
        new_password(hold)
    (reason,) = refused.value.reasons
    assert "cctl delete machine w1 --gone" in str(reason.hint)
    assert hold.state.path.read_bytes() == before


def test_a_cluster_without_a_registry_has_nothing_to_update(hold: Hold) -> None:
    has(hold, hold.the_cluster().replace(registry=None))
    with pytest.raises(UsageError, match="runs from no private registry"):
        new_password(hold)


def test_a_password_without_a_name_is_the_accounts_that_is_there_or_nobodys(hold: Hold) -> None:
    has(hold, hold.the_cluster().replace(registry={"place": "registry.example/site"}))
    with pytest.raises(UsageError, match="whose password is it") as refused:
        new_password(hold)
    assert "--registry-username" in str(refused.value.hint)


def test_who_creates_a_machine_with_a_password_of_the_past_is_told_what_to_do(hold: Hold) -> None:
    cluster = hold.the_cluster()
    assert cluster.registry is not None
    images = [each for each in artifacts_of(cluster, hold.machines, Architecture.AMD64) if each.name.startswith("reg")]
    with pytest.raises(RegistryRefused) as refused:
        create._brought(hold, cluster, Architecture.AMD64, images, Nobody())
    assert "cctl update registry" in str(refused.value.hint)


# The account ----------------------------------------------------------------------------------------------------------


def test_the_new_account_waits_sealed_beside_the_old_one_and_is_in_no_plan(hold: Hold) -> None:
    plan = new_password(hold)
    assert (hold.secret(ACCOUNT), hold.secret(f"run/{ACCOUNT}")) == (HELD, GIVEN)
    assert plan.serial == hold.snapshot.serial
    for text in (plan.to_yaml(), hold.state.path.read_text()):
        assert not any(word in text for word in (OLD, NEW, HELD.decode(), GIVEN.decode()))
    assert hold.mask(f"{NEW} {GIVEN.decode()}") == "[secret] [secret]"


def test_it_counts_for_the_steps_of_its_plan_and_for_no_others(hold: Hold) -> None:
    plan = new_password(hold)
    assert secret_for(hold, plan)(ACCOUNT) == GIVEN
    assert secret_for(hold, plan)("ca.key") == hold.secret("ca.key")
    assert secret_for(hold, plan.changed(outcome={}))(ACCOUNT) == HELD


@pytest.mark.parametrize(("outcome", "value"), [("done", GIVEN), ("undone", HELD)])
def test_when_the_run_is_over_the_state_has_one_account(hold: Hold, outcome: Any, value: bytes) -> None:
    journal = Journal.open(hold.state, new_password(hold), run="r", who="me")
    assert hold.secret(ACCOUNT) == HELD
    fold(hold, journal, Report(outcome=outcome, states=journal.states))
    assert hold.secret(ACCOUNT) == value
    assert f"run/{ACCOUNT}" not in hold.snapshot.secrets


def test_the_account_of_a_plan_that_was_not_done_goes_with_the_next_one(hold: Hold, site: Site, tmp_path: Path) -> None:
    new_password(hold)
    site.registry.account = Account("puller", OLD)
    planned(hold, ca=authority(tmp_path))
    assert f"run/{ACCOUNT}" not in hold.snapshot.secrets
