"""``etcdadm`` and ``nodeadm`` take bundles that were signed by a key that they are given, or were given before."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from klusterkit.cli.etcdadm import etcdadm
from klusterkit.cli.guard import guarded
from klusterkit.cli.nodeadm import nodeadm
from klusterkit.cli.tools.options import OnHost
from klusterkit.cluster import CNI, LATEST, Architecture, Artifact, Role, release_of
from klusterkit.cluster.artifacts import etcd_archive
from klusterkit.hosts import Target
from klusterkit.hosts.looking import ARCHITECTURES
from klusterkit.session.host.downloads import node_artifacts
from klusterkit.session.host.hold import Place, open_on_host
from klusterkit.session.settings import Settings
from klusterkit.state import Snapshot, StateFile
from tests.support.bundles import CREATED, KEY, STRANGER, make

HERE = Architecture.parse(ARCHITECTURES[platform.machine()])
ETCD = etcd_archive(release_of(LATEST).etcd, HERE)


class ThisHost:
    """Where the tools are called, in a folder of its own; ``said`` is what they said last."""

    def __init__(self, folder: Path, read: Callable[[], str]) -> None:
        self.folder, self.said = folder, ""
        self.state = folder / "tools" / "state.yaml"
        self._read = read

    def __call__(self, *words: str | Path, rc: int = 0) -> str:
        tool = etcdadm if words[0] == "etcdadm" else nodeadm
        ended = guarded(tool(), [str(word) for word in words[1:]])
        self.said = self._read()
        assert ended == rc, self.said
        return self.said

    @property
    def snapshot(self) -> Snapshot:
        return StateFile.load(self.state).snapshot

    def downloads(self) -> list[str]:
        return [path.name for path in (self.folder / "cache" / "downloads").rglob("*") if path.is_file()]


@pytest.fixture(name="host")
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> ThisHost:
    host = ThisHost(tmp_path, lambda: "".join(capfd.readouterr()))
    monkeypatch.setattr(OnHost, "place", lambda _: Place("m1", Target(), host.state))
    monkeypatch.setattr("klusterkit.report.words._speaking", ["cctl"])
    monkeypatch.setenv("KLUSTERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KLUSTERKIT_MIRROR", "/nowhere")
    monkeypatch.delenv("KLUSTERKIT_BUNDLE", raising=False)
    return host


def bundle_of(path: Path, artifacts: Iterable[Artifact], **how: object) -> Path:
    return make(path, {item.url_path: item.name.encode() for item in artifacts}, **how)  # type: ignore[arg-type]


@pytest.fixture(name="bundle")
def _bundle(tmp_path: Path) -> Path:
    return bundle_of(tmp_path / "k8s.bundle", [ETCD])


def test_etcd_is_downloaded_from_a_bundle_that_the_given_key_signed(host: ThisHost, bundle: Path) -> None:
    host("etcdadm", "download", "--bundle", bundle, "--bundle-key", KEY.public.text)

    assert ETCD.filename in host.downloads()


def test_all_of_a_node_is_downloaded_from_one(host: ThisHost, tmp_path: Path) -> None:
    wanted = node_artifacts(Role.MASTER, LATEST, CNI(), HERE, vip=True)
    host("nodeadm", "download", "--bundle", bundle_of(tmp_path / "b", wanted), "--bundle-key", KEY.public.text)

    assert {item.filename for item in wanted} <= {*host.downloads()}


def test_the_key_is_pinned_for_the_commands_that_follow(
    host: ThisHost, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host.folder / "site.pub").write_text(KEY.public.file)
    host("etcdadm", "--bundle-key", host.folder / "site.pub", "download", "--bundle", bundle)
    assert host.snapshot.bundle_keys == [KEY.public.text]

    monkeypatch.setenv("KLUSTERKIT_BUNDLE", str(bundle))
    host("etcdadm", "download")


def test_without_a_key_the_refusal_names_the_option_and_not_what_pins_it_elsewhere(
    host: ThisHost, bundle: Path
) -> None:
    said = host("etcdadm", "download", "--bundle", bundle, rc=8)

    assert "pins no key" in said
    assert "--bundle-key KEY" in said
    assert "cctl bundle trust" not in said
    assert not host.state.exists()


def test_a_bundle_that_another_key_signed_is_refused(host: ThisHost, bundle: Path) -> None:
    said = host("etcdadm", "download", "--bundle", bundle, "--bundle-key", STRANGER.public.text, rc=8)

    assert "isn't trusted" in said
    assert "trust it: --bundle-key KEY" in said
    assert host.downloads() == []


def test_what_is_no_key_is_refused_before_anything_is_looked_at(host: ThisHost, bundle: Path) -> None:
    said = host("etcdadm", "download", "--bundle", bundle, "--bundle-key", "RWnonsense", rc=3)

    assert "no public key" in said
    assert not host.state.exists()


def test_a_bundle_older_than_the_last_download_is_refused(host: ThisHost, bundle: Path, tmp_path: Path) -> None:
    newer = bundle_of(tmp_path / "newer", [ETCD], created=CREATED + timedelta(days=1))
    host("etcdadm", "download", "--bundle", newer, "--bundle-key", KEY.public.text)

    assert "older than the last one" in host("etcdadm", "download", "--bundle", bundle, rc=8)


def test_a_dry_run_trusts_the_key_and_pins_nothing(host: ThisHost, tmp_path: Path) -> None:
    lacking = bundle_of(tmp_path / "lacking", [])
    said = host("etcdadm", "init", "--dry-run", "--bundle", lacking, "--bundle-key", KEY.public.text, rc=8)

    assert f"it has no {ETCD.url_path}" in said, "its signature was taken"
    assert not host.state.exists()


def test_while_a_run_is_in_progress_the_key_counts_for_the_command_alone(tmp_path: Path) -> None:
    from klusterkit.engine.journal import Journal
    from klusterkit.engine.plan import Plan
    from klusterkit.session.supply.trust import pin_given_keys, trusted_keys

    place = Place("m1", Target(), tmp_path / "state.yaml")
    settings = Settings(state=place.state, cache=tmp_path / "cache", bundle_keys=(KEY.public.text,))
    with open_on_host(settings, place, write="resume") as hold:
        plan = Plan(operation="etcdadm init", lineage=hold.snapshot.lineage, serial=hold.snapshot.serial, tasks=())
        Journal.open(hold.state, plan, run="r", who="somebody")
        pin_given_keys(hold)

        assert trusted_keys(hold) == [KEY.public]
        assert hold.snapshot.bundle_keys == []
        assert hold.state.records


def test_a_key_is_forgotten_with_cctl(host: ThisHost, bundle: Path) -> None:
    from klusterkit.cli.cctl import cctl

    host("etcdadm", "download", "--bundle", bundle, "--bundle-key", KEY.public.text)
    assert guarded(cctl(), ["--state", str(host.state), "bundle", "trust", KEY.public.text, "--forget"]) == 0

    assert host.snapshot.bundle_keys == []
