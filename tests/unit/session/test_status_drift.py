"""Drift is found by asking the steps that a host's record holds."""

from __future__ import annotations

import pytest

from klusterkit.engine.host import File
from klusterkit.engine.record import Done, HostRecord
from klusterkit.engine.step import Step
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.session.status.drift import look
from klusterkit.tasks.files import Directory, SecretFile, TextFile

CONTENT = {"token": b"correct horse"}
FOLDER = Directory(path="/etc/x")
FILE = TextFile(path="/etc/x/a", content="a\n")
SECRET = SecretFile(path="/etc/x/b", secret="token")


def record(*steps: Step) -> HostRecord:
    done = [Done(task=f"m1/{number}", run=f"r{number}.0", step=step, before={}) for number, step in enumerate(steps)]
    return HostRecord().after(done)


@pytest.fixture(name="host")
def _host() -> SimulatedHost:
    host = SimulatedHost("m1")
    host.mkdir("/etc/x")
    host.write(File(path="/etc/x/a", content=b"a\n"), File(path="/etc/x/b", content=CONTENT["token"], mode=0o600))
    return host


def changed(host: SimulatedHost, *steps: Step) -> dict[str, str]:
    return dict(look(host, record(*steps), CONTENT.__getitem__).changed)


def test_nothing_has_drifted_where_all_is_as_it_was_left(host: SimulatedHost) -> None:
    found = look(host, record(FOLDER, FILE, SECRET), CONTENT.__getitem__)

    assert (found.looked_at, found.changed) == (3, {})


def test_content_mode_and_absence_are_told(host: SimulatedHost) -> None:
    host.write(File(path="/etc/x/a", content=b"b\n"), File(path="/etc/x/b", content=CONTENT["token"], mode=0o644))
    assert changed(host, FOLDER, FILE, SECRET) == {
        "/etc/x/a": "other content",
        "/etc/x/b": "mode 644, wanted 600",
    }
    host.remove("/etc/x/a")
    assert changed(host, FILE) == {"/etc/x/a": "not there"}


def test_how_the_last_run_left_a_thing_is_what_counts(host: SimulatedHost) -> None:
    first, last = TextFile(path="/etc/x/a", content="old\n"), FILE
    then = record(first).after([Done(task="m1/0", run="r1.0", step=last, before={})])

    assert look(host, then, CONTENT.__getitem__).changed == {}
    assert changed(host, first) == {"/etc/x/a": "other content"}


def test_looking_changes_nothing(host: SimulatedHost) -> None:
    before = host.stat("/etc/x", "/etc/x/a", "/etc/x/b")
    changed(host, FOLDER, FILE, SECRET)

    assert host.stat("/etc/x", "/etc/x/a", "/etc/x/b") == before
