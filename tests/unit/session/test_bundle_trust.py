"""Only bundles that a pinned key signed are used, never an older one unasked, and nothing of a bad one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from klusterkit.bundle import ArtifactStore
from klusterkit.bundle.errors import BundleLacks, BundleRefused, NotTrusted
from klusterkit.bundle.minisign import PublicKey
from klusterkit.bundle.signingkey import SigningKey
from klusterkit.cluster import Architecture, Artifact, ArtifactKind, Cluster
from klusterkit.engine.errors import UsageError
from klusterkit.engine.plan import Plan, Task
from klusterkit.plans.request import ArtifactFile
from klusterkit.session.hold import Hold
from klusterkit.session.onlooker import Nobody
from klusterkit.session.running.completeness import check_bundle, check_for_run, supply_plan
from klusterkit.session.supply.supplies import Supplies, supply
from klusterkit.session.supply.trust import forget, public_key, trust
from klusterkit.tasks.artifacts import Upload
from tests.support.bundles import CREATED, FILES, KEY, KUBELET, STRANGER, make, sha256

Opened = Callable[[], AbstractContextManager[Hold]]

WANTED = Artifact("kubelet", ArtifactKind.BINARY, "v1.36.3", KUBELET, f"{KUBELET}.sha256")


@pytest.fixture(name="hold")
def _hold(opened: Opened) -> Hold:
    with opened() as hold:
        yield hold  # type: ignore[misc]


def supplied(hold: Hold, bundle: Path, **settings: object) -> Supplies:
    hold.settings = hold.settings.model_copy(update={"bundle": bundle, "mirror": "/nowhere", **settings})
    return supply(hold, Architecture.AMD64, [WANTED], Nobody())


def kept(hold: Hold) -> list[str]:
    return list(ArtifactStore(hold.settings.cache))


def use(hold: Hold, supplies: Supplies) -> None:
    """As the end of a run that used them."""
    hold.state.fold(hold.snapshot.model_copy(update=supplies.outcome))


def test_a_bundle_that_a_pinned_key_signed_is_where_artifacts_come_from(hold: Hold, tmp_path: Path) -> None:
    trust(hold, [KEY.public])

    supplies = supplied(hold, make(tmp_path / "b"))

    assert supplies.files == {"kubelet": ArtifactFile(sha256=sha256(FILES[KUBELET]), size=len(FILES[KUBELET]))}
    assert supplies.outcome["bundle"]["created"] == "2026-11-01T12:00:00Z"
    assert kept(hold) == [sha256(FILES[KUBELET])]


def test_without_a_pinned_key_no_bundle_is_used(hold: Hold, tmp_path: Path) -> None:
    with pytest.raises(NotTrusted, match="pins no key") as raised:
        supplied(hold, make(tmp_path / "b"))

    assert "cctl bundle trust" in str(raised.value.hint)


@pytest.mark.parametrize("key", [STRANGER, None], ids=["somebody else", "nobody"])
def test_a_bundle_that_is_not_signed_by_a_pinned_key_is_refused(hold: Hold, tmp_path: Path, key: object) -> None:
    trust(hold, [KEY.public])

    with pytest.raises(NotTrusted):
        supplied(hold, make(tmp_path / "b", key=key))  # type: ignore[arg-type]

    assert kept(hold) == []


def test_a_bundle_with_one_bad_byte_in_a_file_that_nobody_wants_is_refused_whole(hold: Hold, tmp_path: Path) -> None:
    trust(hold, [KEY.public])
    path = make(tmp_path / "b")
    path.write_bytes(path.read_bytes().replace(b"pppp", b"pqpp", 1))

    with pytest.raises(BundleRefused, match="isn't what the manifest says"):
        supplied(hold, path)

    assert kept(hold) == []


def test_while_keys_change_both_are_trusted_and_then_the_new_one_alone(hold: Hold, tmp_path: Path) -> None:
    old, new = make(tmp_path / "old", key=KEY), make(tmp_path / "new", key=STRANGER)
    trust(hold, [KEY.public])
    trust(hold, [STRANGER.public])
    assert supplied(hold, old).files == supplied(hold, new).files

    forget(hold, [KEY.public])

    assert supplied(hold, new).files
    with pytest.raises(NotTrusted):
        supplied(hold, old)


def test_a_key_is_pinned_once_and_only_a_pinned_one_is_forgotten(hold: Hold) -> None:
    trust(hold, [KEY.public, KEY.public])
    serial = hold.snapshot.serial
    trust(hold, [KEY.public])

    assert hold.snapshot.bundle_keys == [KEY.public.text]
    assert hold.snapshot.serial == serial
    with pytest.raises(UsageError, match="doesn't pin"):
        forget(hold, [STRANGER.public])


def test_a_bundle_older_than_the_last_one_is_refused_unless_it_is_meant(hold: Hold, tmp_path: Path) -> None:
    trust(hold, [KEY.public])
    older, newer = make(tmp_path / "old"), make(tmp_path / "new", created=CREATED + timedelta(seconds=1))
    use(hold, supplied(hold, newer))

    with pytest.raises(BundleRefused, match="older than the last one") as raised:
        supplied(hold, older)

    assert "--allow-older-bundle" in str(raised.value.hint)
    assert supplied(hold, older, allow_older_bundle=True).files
    assert supplied(hold, newer, allow_older_bundle=False).files


def test_what_the_bundle_lacks_is_named(hold: Hold, tmp_path: Path) -> None:
    trust(hold, [KEY.public])

    with pytest.raises(BundleLacks, match=f"has no {KUBELET}"):
        supplied(hold, make(tmp_path / "b", {"a/b": b"c"}))


def test_a_public_key_is_named_by_its_file_or_its_line(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(KEY.public.file)

    assert public_key(str(tmp_path / "key.pub")) == public_key(KEY.public.text) == KEY.public
    with pytest.raises(UsageError, match="no public key"):
        public_key(str(tmp_path / "missing.pub"))


def plan(**contents: bytes) -> Plan:
    tasks = tuple(
        Task(
            id=f"m1/{name}",
            host="m1",
            step=Upload(name=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content)),
        )
        for name, content in contents.items()
    )
    return Plan(operation="create machine", lineage="l", serial=1, tasks=tasks)


GOOD = plan(kubelet=FILES[KUBELET])
LACKING = plan(kubelet=FILES[KUBELET], kubeadm=b"another")


def test_a_plan_whose_files_are_all_in_the_bundle_is_told_so(tmp_path: Path) -> None:
    assert check_bundle(make(tmp_path / "b"), GOOD, None) == 1


def test_a_plan_that_needs_more_than_the_bundle_has_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BundleLacks, match="lacks 1 of 2 files that the plan needs: kubeadm"):
        check_bundle(make(tmp_path / "b"), LACKING, None)


def test_a_plan_that_needs_another_file_of_the_same_name_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BundleLacks) as raised:
        check_bundle(make(tmp_path / "b"), plan(kubelet=b"another kubelet"), None)

    assert "others of the names kubelet" in str(raised.value.seen)


def test_a_damaged_bundle_is_not_complete(tmp_path: Path) -> None:
    path = make(tmp_path / "b")
    path.write_bytes(path.read_bytes().replace(b"pppp", b"pqpp", 1))

    with pytest.raises(BundleRefused):
        check_bundle(path, GOOD, None)


@pytest.mark.parametrize("key", [STRANGER, None], ids=["somebody else", "nobody"])
def test_a_plan_is_not_told_that_all_is_there_in_a_bundle_that_a_run_would_refuse(
    hold: Hold, tmp_path: Path, key: SigningKey | None
) -> None:
    trust(hold, [KEY.public])
    path = make(tmp_path / "b", key=key)

    with pytest.raises(NotTrusted):
        check_for_run(hold, path, GOOD)
    with pytest.raises(NotTrusted):
        check_bundle(path, GOOD, [KEY.public])


def test_nor_in_one_that_is_older_than_the_last_unless_that_is_meant(hold: Hold, tmp_path: Path) -> None:
    trust(hold, [KEY.public])
    older, newer = make(tmp_path / "old"), make(tmp_path / "new", created=CREATED + timedelta(seconds=1))
    use(hold, supplied(hold, newer))

    assert check_for_run(hold, newer, GOOD) == 1
    with pytest.raises(BundleRefused, match="older than the last one"):
        check_for_run(hold, older, GOOD)
    hold.settings = hold.settings.model_copy(update={"allow_older_bundle": True})
    assert check_for_run(hold, older, GOOD) == 1


def test_a_saved_plan_gets_its_files_from_the_bundle_on_a_machine_that_has_none(hold: Hold, tmp_path: Path) -> None:
    trust(hold, [KEY.public])
    hold.settings = hold.settings.model_copy(update={"bundle": make(tmp_path / "b")})

    supply_plan(hold, GOOD, GOOD.tasks)

    assert kept(hold) == [sha256(FILES[KUBELET])]
    with pytest.raises(BundleLacks, match="kubeadm"):
        supply_plan(hold, LACKING, LACKING.tasks)


def planned(hold: Hold, mirror: Path, plan: Plan) -> Plan:
    """The same plan for a cluster that the state knows, whose files a mirror has."""
    cluster = Cluster.of(pod_network="10.2.0.0/16", service_network="10.1.0.0/16", kubernetes_version="v1.36.3")
    hold.state.fold(hold.snapshot.model_copy(update={"cluster": cluster.to_object()}))
    for name, content in FILES.items():
        path = mirror / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.with_name(f"{path.name}.sha256").write_text(sha256(content))
    hold.settings = hold.settings.model_copy(update={"mirror": mirror.as_uri()})
    return plan.changed(facts={"m1": {"architecture": "amd64"}})


def test_or_from_the_mirror_where_the_machine_that_planned_it_is_lost(hold: Hold, tmp_path: Path) -> None:
    plan = planned(hold, tmp_path / "mirror", GOOD)

    supply_plan(hold, plan, plan.tasks)

    assert kept(hold) == [sha256(FILES[KUBELET])]


def test_a_mirror_that_has_something_else_by_that_name_is_no_source(hold: Hold, tmp_path: Path) -> None:
    plan = planned(hold, tmp_path / "mirror", LACKING)
    other = tmp_path / "mirror" / KUBELET.replace("kubelet", "kubeadm")
    other.write_bytes(b"another kubeadm")
    other.with_name("kubeadm.sha256").write_text(sha256(b"another kubeadm"))

    with pytest.raises(UsageError, match="needs kubeadm, which this machine hasn't") as raised:
        supply_plan(hold, plan, plan.tasks)

    assert "--bundle" in str(raised.value.hint)
    supply_plan(hold, plan, [])


def test_keys_are_read_before_a_key_is_pinned(hold: Hold) -> None:
    assert isinstance(public_key(KEY.public.text), PublicKey)
    with pytest.raises(UsageError):
        public_key("RW")
