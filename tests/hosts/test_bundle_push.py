"""A bundle gets to many real hosts at the cost of one, whatever happens on the way."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import KEY, make, sha256
from tests.support.lab import LAB, Lab
from tests.support.operator import Operator

pytestmark = pytest.mark.hosts

NAMES = tuple(f"p{number}" for number in range(1, 9))
PIECES, PIECE = 8, 4 << 20
"""Files of a bundle, and bytes of each."""


class Site:
    """Eight hosts, and an operator who has pinned the key."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        lab("up", *NAMES)
        self.operator = Operator(folder, lab)
        (folder / "key.pub").write_text(KEY.public.file)
        self.operator.environment["KLUSTERKIT_CACHE"] = str(folder / "cache")
        self.operator.prepare("--bundle-key", str(folder / "key.pub"))
        self.addresses = {name: lab.address(name) for name in NAMES}
        self.contents: dict[str, bytes] = {}

    def bundle(self, name: str, piece: int = PIECE) -> Path:
        """A new bundle of random content, in pieces of so many bytes: programs in two versions."""
        paths = [f"{name}/{version}/{program}" for version in ("v1.36.3", "v1.37.2") for program in range(PIECES // 2)]
        self.contents = {path: os.urandom(piece) for path in paths}
        return make(self.folder / name, self.contents)

    def arguments(self, bundle: Path, *names: str) -> list[str]:
        machines = [word for name in names or NAMES for word in ("--ip", self.addresses[name])]
        return ["bundle", "push", str(bundle), *machines, "--yes"]

    def push(self, bundle: Path, *names: str, **options: object) -> int:
        """Push; returns the bytes that this machine sent."""
        before = self.lab.sent_to_hosts()
        self.operator(*self.arguments(bundle, *names), **options)  # type: ignore[arg-type]
        return self.lab.sent_to_hosts() - before

    def lacking(self, *names: str) -> list[str]:
        """Hosts that haven't all of the last bundle, byte for byte."""
        sums = "".join(f"{sha256(content)}  {sha256(content)}\n" for content in self.contents.values())
        script = f"cd /var/lib/klusterkit/artifacts && sha256sum --check --quiet <<'END'\n{sums}END"
        return [name for name in names or NAMES if not self.succeeds(name, script)]

    def succeeds(self, name: str, script: str) -> bool:
        command = [LAB, "--instance", self.lab.instance, "ssh", name, "--", script]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def serving(self) -> list[str]:
        """Hosts on which something of a server is left."""
        script = "systemctl is-active klusterkit-peers || test -e /var/lib/klusterkit/peers || ss -ltn | grep :10290"
        return [name for name in NAMES if self.succeeds(name, script)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = Lab(f"push-{os.getpid()}")
    try:
        yield Site(lab, tmp_path_factory.mktemp("operator"))
    finally:
        lab("down", "--all", check=False)


SIZE = PIECES * PIECE


LARGE = 24 << 20
"""Bytes of a piece where it matters that two megabytes of each of four uploads are on their way at any moment."""


@pytest.fixture(scope="module")
def whole(site: Site) -> tuple[int, int]:
    """What a push to all hosts takes that nobody interrupts: bytes sent, and records of the journal."""
    sent = site.push(site.bundle("whole", LARGE))
    assert site.lacking() == []
    return sent, site.operator.records_of_last_run()


def test_a_push_to_eight_hosts_costs_this_machine_little_more_than_one_bundle(
    site: Site, whole: tuple[int, int]
) -> None:
    assert whole[0] <= 1.3 * PIECES * LARGE
    assert site.serving() == []


def test_without_peers_every_host_costs_a_bundle(site: Site) -> None:
    bundle = site.bundle("each")
    before = site.lab.sent_to_hosts()
    site.operator(*site.arguments(bundle, "p1", "p2"), "--no-peers")

    assert site.lab.sent_to_hosts() - before > 1.9 * SIZE


def test_hosts_that_have_it_give_it_to_those_that_lack_it(site: Site) -> None:
    bundle = site.bundle("grown")
    site.push(bundle, "p1")
    sent = site.push(bundle, "p1", "p2", "p3", "p4")

    assert sent <= 0.1 * SIZE
    assert site.lacking("p1", "p2", "p3", "p4") == []


def test_what_is_there_already_is_not_brought_again(site: Site) -> None:
    bundle = site.bundle("again")
    site.push(bundle, "p1", "p2")

    assert site.push(bundle, "p1", "p2") <= 0.01 * SIZE


def test_a_push_is_shown_saved_and_done_as_it_was_saved(site: Site) -> None:
    bundle = site.bundle("saved", 1 << 16)
    shown = site.operator("plan", *site.arguments(bundle, "p1")[:-1], "--out", "push.yaml").out
    assert "Plan: bundle push" in shown
    assert site.lacking("p1") == ["p1"]

    site.operator("apply", "push.yaml")
    assert site.lacking("p1") == []


def test_a_push_that_was_killed_half_way_and_resumed_sends_next_to_nothing_twice(
    site: Site, whole: tuple[int, int]
) -> None:
    bytes_sent, records = whole
    killed = site.push(site.bundle("killed", LARGE), rc=-9, crash_after=records // 2)
    before = site.lab.sent_to_hosts()
    site.operator("resume")
    resumed = site.lab.sent_to_hosts() - before

    assert killed + resumed <= bytes_sent + 0.05 * PIECES * LARGE
    assert site.lacking() == []
    assert site.serving() == []


def test_a_host_that_is_switched_off_meanwhile_holds_nobody_up(site: Site) -> None:
    bundle = site.bundle("dark")
    push = site.operator.start(*site.arguments(bundle), "--patience", "3")
    assert push.stdout is not None
    for line in push.stdout:
        if f"{site.addresses['p2']}/artifacts" in line:  # it has begun to get something
            break
    site.lab("power-off", "p2")
    rest = push.stdout.read()

    assert push.wait() == 6, rest
    assert site.addresses["p2"] in rest
    assert site.lacking(*(name for name in NAMES if name != "p2")) == []

    site.lab("power-on", "p2")
    site.operator("resume")
    assert site.lacking() == []
    assert site.serving() == []


def test_a_push_that_is_taken_back_leaves_hosts_as_they_were(site: Site) -> None:
    names = ("p1", "p2", "p3")
    script = "cd /var/lib/klusterkit && find . -path ./jobs -prune -o -print | sort"
    was = {name: (site.lab.digest(name), site.lab("ssh", name, "--", script)) for name in names}
    site.push(site.bundle("back"), *names, rc=-9, crash_after=12)

    site.operator("rollback", "--yes")

    assert {name: (site.lab.digest(name), site.lab("ssh", name, "--", script)) for name in names} == was
    assert site.serving() == []


def test_a_bandwidth_is_kept_to(site: Site) -> None:
    bundle = site.bundle("slow")
    site.operator(*site.arguments(bundle, "p1"), "--bandwidth", "12M")

    # It can't be there sooner than that takes.
    run = json.loads(site.operator("history", "-o", "json").out)[-1]
    assert run["ended"] - run["began"] >= SIZE / 12e6 - 1


def test_hosts_that_were_only_visited_belong_to_nobody(site: Site) -> None:
    site.push(site.bundle("visit"), "p7", "p8")

    assert not site.succeeds("p7", "test -e /var/lib/klusterkit/fence.json")
    assert site.operator("get", "machine").out.strip() == ""
