"""A real containerd pulls from a real registry, as plans have it do, and by nothing but what files on its host say."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from step_host import StepHost

from klusterkit.bundle.building import build
from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.images import ImageSource
from klusterkit.bundle.mirror import Mirror
from klusterkit.bundle.publishing import publish
from klusterkit.bundle.reference import Place, Reference
from klusterkit.bundle.registry import Account, Registry
from klusterkit.bundle.store import ArtifactStore, sha256_of
from klusterkit.bundle.web import Web
from klusterkit.cluster import Architecture, Role, artifacts_for
from klusterkit.cluster.artifacts import pause_image
from klusterkit.engine.errors import CommandFailedTemporarily, PermanentError
from klusterkit.engine.step import Step
from klusterkit.plans.create import compile_create
from klusterkit.plans.reference import CLUSTER, FACTS, MACHINE, artifacts
from klusterkit.plans.request import ArtifactFile, CreateRequest
from klusterkit.session.settings import RegistryAccess
from klusterkit.session.supply.contents import contents_of
from klusterkit.session.supply.registry import ACCOUNT, described
from klusterkit.tasks.containerd import PullImage
from tests.support.bundles import CREATED
from tests.support.lab import Lab
from tests.support.registry import PASSWORD, USERNAME, RealRegistry, real_registry

pytestmark = pytest.mark.hosts

PAUSE = pause_image(CLUSTER.release)


@dataclass
class Puller:
    """A host with containerd and what a plan puts there to have images pulled."""

    host: StepHost
    registry: RealRegistry
    known: list[Step]
    pull: PullImage


def published(mirror: Path, registry: RealRegistry, folder: Path) -> ArtifactFile:
    """Put the pause image of a bundle of only that into the registry, and look it up there as planning does."""
    place, web, account = Place.parse(f"{registry.place}/site"), Web(registry.ca), Account(USERNAME, PASSWORD)
    whole = contents_of([CLUSTER.kubernetes_version], Architecture.AMD64)
    contents = replace(whole, artifacts=[each for each in whole.artifacts if each.name == PAUSE], own=[])
    store = ArtifactStore(folder / "cache")
    build(contents, Mirror(str(mirror)), store, folder / "pause.bundle", created=CREATED)
    with Bundle.open(folder / "pause.bundle") as bundle:
        publish(bundle, Registry(place, web, account), place, store)
    found = ImageSource("amd64", place, web, account).look_up(Reference.parse(PAUSE))
    return ArtifactFile(sha256=found.sha256, size=found.size)


def planned(registry: RealRegistry, pause: ArtifactFile) -> tuple[list[Step], PullImage]:
    """What a plan does on a host about the registry, and about one image."""
    access = {"place": f"{registry.place}/site", "ca": registry.ca, "username": USERNAME, "password": PASSWORD}
    private, _ = described(RegistryAccess.model_validate(access))
    cluster = CLUSTER.replace(registry=private)
    request = CreateRequest(
        cluster=cluster,
        machines=(MACHINE,),
        facts={MACHINE.name: FACTS},
        artifacts={**artifacts(cluster), PAUSE: pause},
        lineage="l",
        serial=1,
    )
    tasks = compile_create(request).tasks
    known = [task.step for task in tasks if "/containerd/registr" in task.id]
    return known, next(task.step for task in tasks if isinstance(task.step, PullImage) and task.step.reference == PAUSE)


@pytest.fixture(scope="module")
def puller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Puller]:
    lab, folder = Lab(f"pulling-{os.getpid()}"), tmp_path_factory.mktemp("registry")
    lab("up", "c1")
    mirror = Path(lab.env["LAB_MIRROR"])
    try:
        with real_registry(folder, lab.env["LAB_GATEWAY"]) as registry:
            account = b64encode(f"{USERNAME}:{PASSWORD}".encode())
            host = StepHost(lab.instance, "c1", {ACCOUNT: account, "ca.key": b"cannot be guessed"})
            start_containerd(host, mirror)
            known, pull = planned(registry, published(mirror, registry, folder))
            for step in known:
                host.apply(step)
            yield Puller(host, registry, known, pull)
            host.real.close()
    finally:
        lab("down", "--all", check=False)


@pytest.fixture(autouse=True)
def _another_run(puller: Puller) -> None:
    """Records of an earlier one's long programs are none of this one's."""
    puller.host.runs += 1


def start_containerd(host: StepHost, mirror: Path) -> None:
    wanted = artifacts_for([Role.NODE], CLUSTER.kubernetes_version, CLUSTER.cni)
    archive = mirror / next(each.url_path for each in wanted if each.name == "containerd")
    host.real.upload(archive, sha256_of(archive), "/root/containerd.tar.gz")
    host.sh("mkdir -p /etc/containerd && tar -xzf /root/containerd.tar.gz -C /usr/local")
    host.sh("systemd-run --quiet --unit=containerd /usr/local/bin/containerd")
    host.sh("for _ in $(seq 100); do ctr version >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1")


def test_what_is_pulled_is_what_was_planned_and_from_the_private_registry(puller: Puller) -> None:
    before = puller.host.apply(puller.pull)

    assert f"{PAUSE} " in puller.host.sh("ctr -n k8s.io images list")
    assert any("/v2/site/registry.k8s.io/pause/" in line for line in puller.registry.asked("GET"))
    assert puller.pull.observe(puller.host.on(puller.pull)).satisfied
    puller.host.undo(puller.pull, before)
    assert f"{PAUSE} " not in puller.host.sh("ctr -n k8s.io images list")


def test_a_pull_survives_every_cut(puller: Puller) -> None:
    assert puller.host.survive_cuts(puller.pull) > 0


def test_the_account_is_in_files_that_are_roots_alone(puller: Puller) -> None:
    account = puller.host.secrets[ACCOUNT].decode()
    files = puller.host.sh(f"grep -rl {account} /etc").split()

    assert len(files) == 4
    assert set(puller.host.sh(f"stat -c '%a %U' {' '.join(files)}").splitlines()) == {"600 root"}
    assert account not in str([step.spec() for step in (*puller.known, puller.pull)])


def test_an_image_that_is_another_one_by_now_is_refused(puller: Puller) -> None:
    other = puller.pull.model_copy(update={"sha256": "0" * 64})
    before = other.observe(puller.host.on(other)).before

    with pytest.raises(PermanentError, match="another registry"):
        puller.host.apply(other)
    puller.host.undo(other, before)


def test_an_account_that_is_not_let_in_is_said_without_it(puller: Puller) -> None:
    right, wrong = puller.host.secrets[ACCOUNT], b64encode(b"operator:another-horse-battery")
    puller.host.secrets[ACCOUNT] = wrong
    try:
        for step in puller.known:
            puller.host.apply(step)
        with pytest.raises(CommandFailedTemporarily, match="could not be pulled") as raised:
            puller.host.apply(puller.pull)
    finally:
        puller.host.secrets[ACCOUNT] = right
        for step in puller.known:
            puller.host.apply(step)

    assert wrong.decode() not in f"{raised.value} {raised.value.seen}"
