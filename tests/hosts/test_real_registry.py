"""Bundles come from a real web server, and their images go to a real registry and come back from it as they were."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.debian import installed
from tests.support.lab import Lab
from tests.support.mirrors import make_mirror
from tests.support.registry import PASSWORD, RealRegistry, free_place, listening, real_registry

pytestmark = pytest.mark.hosts


class Site:
    """Somebody with a bundle for one version, and a registry."""

    def __init__(self, folder: Path, registry: RealRegistry) -> None:
        self.folder, self.registry = folder, registry
        self.mirror = make_mirror(folder / "mirror")
        self("bundle", "key", "--out", "site.key", "--without-passphrase")
        self.build("own.bundle")

    def __call__(self, *arguments: str, code: int = 0, cache: str = "cache") -> str:
        own = {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "KLUSTERKIT_MIRROR": str(self.mirror),
            "KLUSTERKIT_CACHE": str(self.folder / cache),
            "SOURCE_DATE_EPOCH": "1793534400",
        }
        cctl = Path(sys.executable).with_name("cctl")
        done = subprocess.run(
            [cctl, *arguments], cwd=self.folder, env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return " ".join(f"{done.stdout} {done.stderr}".split())

    def build(self, name: str, *more: str, **options: str) -> bytes:
        """The bundle's bytes. All of it is from the mirror unless options say where else from."""
        wanted = ("--kubernetes-version", "1.36.3", "--key", "site.key", "--out", name)
        self("bundle", "build", *wanted, *more, **options)  # type: ignore[arg-type]
        return (self.folder / name).read_bytes()

    def publish(self, *options: str, code: int = 0) -> str:
        return self(
            "bundle", "publish", "own.bundle", "--key", "site.pub", *(options or self.registry.options), code=code
        )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """That of this machine in a lab's network, where hosts would reach it."""
    lab = Lab(f"sites-{os.getpid()}")
    try:
        lab("up", "h1")
        yield lab.env["LAB_GATEWAY"]
    finally:
        lab("down", "--all", check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, address: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with real_registry(folder, address) as registry:
        made = Site(folder, registry)
        made.publish()
        yield made


@pytest.fixture(scope="module")
def web(site: Site, address: str) -> Iterator[str]:
    """A real web server that has the mirror: its address."""
    place = free_place(address)
    installed("busybox")
    command = ["busybox", "httpd", "-f", "-p", place, "-h", site.mirror]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        listening(process, place)
        yield f"http://{place}"
    finally:
        process.terminate()
        process.wait()


def test_a_bundle_from_a_web_server_is_the_one_from_the_folder_that_it_serves(site: Site, web: str) -> None:
    assert site.build("web.bundle", "--mirror", web, cache="from-web") == (site.folder / "own.bundle").read_bytes()


def test_a_bundle_from_a_web_server_and_a_registry_is_the_same_again(site: Site, web: str) -> None:
    both = ("--mirror", web, *site.registry.options)

    assert site.build("both.bundle", *both, cache="from-both") == (site.folder / "own.bundle").read_bytes()


def test_a_bundle_from_the_registry_is_the_one_that_was_published_there(site: Site) -> None:
    again = site.build("again.bundle", *site.registry.options, cache="another")

    assert again == (site.folder / "own.bundle").read_bytes()


def test_what_the_registry_has_is_not_sent_again(site: Site) -> None:
    before = len(site.registry.asked("POST"))
    site.publish()

    assert before > 0
    assert len(site.registry.asked("POST")) == before


def test_a_bundle_that_nobody_trusted_signed_is_not_published(site: Site) -> None:
    site("bundle", "key", "--out", "other.key", "--without-passphrase")
    before = len(site.registry.asked("PUT"))
    said = site("bundle", "publish", "own.bundle", "--key", "other.pub", *site.registry.options, code=8)

    assert "isn't trusted" in said
    assert len(site.registry.asked("PUT")) == before


def test_who_is_not_let_in_is_told_so_without_the_password(site: Site) -> None:
    wrong = site.folder / "wrong"
    wrong.write_text("another-horse-battery\n")
    said = site.publish(*site.registry.options[:-1], str(wrong), code=3)

    assert "refuses" in said
    assert "operator" in said
    assert PASSWORD not in said
    assert "another-horse" not in said


def test_a_registry_whose_authority_is_not_known_is_not_told_the_password(site: Site) -> None:
    at, _, _, *account = site.registry.options[1:]
    said = site.publish("--registry", at, *account, code=3)

    assert "--registry-ca" in said
    assert "certificate" in said
