"""A cluster that runs from a private registry: what the state says of it, and what hosts are told."""

from __future__ import annotations

import tomllib
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pydantic import SecretStr

from klusterkit.bundle.reference import Place, Reference
from klusterkit.bundle.registry import Account
from klusterkit.cluster import CNI, Architecture, Artifact, Cluster, Role, artifacts_for
from klusterkit.cluster.artifacts import ArtifactKind
from klusterkit.engine.errors import UsageError
from klusterkit.engine.journal import Journal, Record
from klusterkit.engine.plan import Plan
from klusterkit.engine.runner import Report
from klusterkit.pki import Authority
from klusterkit.plans.create import extra_artifacts
from klusterkit.plans.delete import compile_delete
from klusterkit.plans.deletion import DeleteRequest
from klusterkit.plans.files import registry as files
from klusterkit.plans.reference import CLUSTER
from klusterkit.session.hold import Hold
from klusterkit.session.objects import KEY_SECRET, WantedCluster, create_cluster
from klusterkit.session.onlooker import Nobody
from klusterkit.session.running import records
from klusterkit.session.running.runs import fold
from klusterkit.session.settings import RegistryAccess
from klusterkit.session.supply.registry import ACCOUNT, described, look_up, present_account
from tests.support.sites import FakeRegistry, RegistryHandler, serving

PASSWORD = "correct horse"
PAUSE = "registry.k8s.io/pause:3.10.2"

Opened = Callable[[], AbstractContextManager[Hold]]


def access(place: str = "registry.example/site", **fields: object) -> RegistryAccess:
    given = {"place": place, "username": "operator", "password": SecretStr(PASSWORD), **fields}
    return RegistryAccess.model_validate(given)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    path = tmp_path / "registry.crt"
    path.write_text(Authority.create("registry").cert_pem)
    return path


@pytest.fixture
def hold(opened: Opened) -> Hold:
    """Of a state file that has no cluster yet."""
    with opened() as held:
        held.state.fold(held.snapshot.model_copy(update={"cluster": None, "machines": []}))
        yield held  # type: ignore[misc]


def test_the_account_is_a_secret_of_the_state_and_nowhere_else(hold: Hold, authority: Path) -> None:
    networks = {"pod_network": "192.168.0.0/16", "service_network": "192.169.0.0/24"}
    cluster = create_cluster(hold, WantedCluster(**networks, registry=access(ca=authority)))

    assert hold.secret(ACCOUNT) == b64encode(f"operator:{PASSWORD}".encode())
    text = hold.state.path.read_text()
    assert PASSWORD not in text
    assert hold.secret(ACCOUNT).decode() not in text
    assert Cluster.from_object(cluster.to_object()) == cluster
    assert cluster.registry is not None
    assert cluster.registry.authority == authority.read_text()


def test_the_account_goes_with_the_cluster_and_the_login_stays(hold: Hold) -> None:
    cluster = create_cluster(hold, WantedCluster(registry=access()))
    assert ACCOUNT in hold.snapshot.secrets
    state = {"lineage": hold.snapshot.lineage, "serial": hold.snapshot.serial}
    journal = begun(hold, compile_delete(DeleteRequest(cluster=cluster, leaving=(), forget=True, **state)))

    fold(hold, journal, Report(outcome="done", states=journal.states))

    assert hold.snapshot.cluster is None
    assert {*hold.snapshot.secrets} == {KEY_SECRET, records.SECRET}


def begun(hold: Hold, plan: Plan) -> Journal:
    """A run of a plan, of which all tasks are done."""
    journal = Journal.open(hold.state, plan, run="r", who="me")
    for task in plan.tasks:
        at = {"at": 1.0, "task": task.id}
        journal.write(Record(record="begin", attempt=1, before={}, **at), Record(record="end", **at))
    return journal


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"place": "HTTP//x y"}, "names no registry"),
        ({"place": "http://registry.example"}, "in the clear"),
        ({"ca": Path("/nowhere")}, "can't be used: No such file"),
        ({"ca": Path("/etc/passwd")}, "no certificate"),
    ],
)
def test_what_can_not_be_used_is_refused_before_anything_is_kept(fields: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says) as raised:
        described(access(**fields))  # type: ignore[arg-type]
    assert PASSWORD not in str(raised.value)


def test_images_are_known_by_what_the_registry_has_now(hold: Hold) -> None:
    fake = FakeRegistry({}, account=Account("operator", PASSWORD))
    fake.put("site/registry.k8s.io/pause", "3.10.2", b"layer" * 100)
    registry, secrets = described(access())
    for name, value in secrets.items():
        hold.state.fold(hold.state.with_secret(hold.snapshot, name, value))

    with serving(fake, RegistryHandler) as url:
        image = Artifact(PAUSE, ArtifactKind.IMAGE, "3.10.2", "images/p.tar", "images/p.tar.sha256")
        at = registry.model_copy(update={"place": f"{url}/site"})
        found = look_up(at, present_account(hold, at), Architecture.AMD64, [image], Nobody())[PAUSE]

    assert found.sha256 == sha256_of(fake.contents["/v2/site/registry.k8s.io/pause/manifests/3.10.2"])
    assert found.size > 500
    assert hold.mask(f"it said {PASSWORD}") == "it said [secret]"


def sha256_of(content: bytes) -> str:
    from hashlib import sha256

    return sha256(content).hexdigest()


def test_every_image_of_a_cluster_comes_from_the_private_registry() -> None:
    wanted = artifacts_for(Role, CLUSTER.kubernetes_version, CNI(), vip=True)
    images = [each.name for each in (*wanted, *extra_artifacts(CNI())) if each.kind is ArtifactKind.IMAGE]

    assert {Reference.parse(name).registry for name in images} == set(files.OFFICIAL)


@pytest.mark.parametrize("text", ["registry.example", "registry.example:5000/a/b", "http://10.0.0.9:5000/x"])
@pytest.mark.parametrize("trusted", [True, False])
def test_containerd_is_sent_to_where_images_are_put_and_nowhere_else(text: str, trusted: bool) -> None:
    place = Place.parse(text)
    said = tomllib.loads(files.instead_of("registry.k8s.io", place, authority=trusted))

    repository = place.repository(Reference.parse(PAUSE))
    assert f"{said['server']}/pause" == f"{place.url}/v2/{repository}"
    assert said["override_path"] is True
    assert said.get("ca") == (files.AUTHORITY if trusted else None)
    assert "host" not in said
