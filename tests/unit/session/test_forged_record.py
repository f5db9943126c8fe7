"""Somebody changes a host's record in mid-run: the run is refused its end, and what the message names is a way out."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from klusterkit.cli.cctl import cctl
from klusterkit.cli.guard import guarded
from klusterkit.engine.journal import Journal
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.record import PLACE, Done, HostRecord
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.session.running import runs
from klusterkit.tasks.files import Directory, TextFile
from tests.unit.session.conftest import MACHINES, Opened

M1, W1 = (machine.name for machine in MACHINES)
TASKS = tuple(Task(id=f"{name}/new", host=name, step=Directory(path="/new")) for name in (M1, W1))
EARLIER = Done(task="earlier", run="r0.0", step=TextFile(path="/etc/mark", content=""), before={"type": "absent"})


class Met(SimulatedHost):
    """A host of a fleet."""

    def connect(self) -> None:
        self.stat("/")

    def reach(self, *_: Any) -> None:
        """It needn't know how far the journal is."""

    @property
    def made(self) -> bool:
        return self.machine.tree.find("/new") is not None


class Fleet(dict[str, Met]):
    """A fleet whose hosts need no lock."""

    def __call__(self, name: str) -> Met:
        return self[name]

    def claim(self, *_: Any, **__: Any) -> None: ...

    def known(self, _: Any) -> list[str]:
        return []


class Site:
    """A cluster in which a run has begun that has still all to do."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.fleet = Fleet({name: Met(name) for name in (M1, W1)})
        self._state = home / "cctl-state.yaml"
        self._capsys = capsys

    def cctl(self, *words: str) -> tuple[int, str]:
        """The exit code, and what is said on standard error, in one line."""
        code = guarded(cctl(), [*words, "--yes", "--state", str(self._state)])
        return code, " ".join(self._capsys.readouterr().err.split())

    def record(self, name: str) -> bytes:
        return self.fleet[name].machine.tree.read(PLACE)

    def write_record(self, name: str, content: bytes) -> None:
        self.fleet[name].machine.tree.write(PLACE, content.decode(), 0o600)


@pytest.fixture(name="site")
def _site(home: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Site:
    site = Site(home, capsys)

    @contextmanager
    def fleet(*_: Any) -> Generator[Fleet]:
        yield site.fleet

    monkeypatch.setattr(runs, "fleet_for_plan", fleet)
    with opened() as hold:
        for host in site.fleet.values():
            hold.records.write(host, HostRecord(done=(EARLIER,)))
        plan = Plan(operation="grow", lineage=hold.snapshot.lineage, serial=hold.snapshot.serial, tasks=TASKS)
        Journal.open(hold.state, plan, run="r1", who="somebody")
    return site


@pytest.mark.parametrize("direction", ["resume", "rollback"])
def test_with_the_host_switched_off_the_run_is_taken_back_without_it(
    site: Site, direction: str, opened: Opened
) -> None:
    before = site.record(M1)
    forged = site.record(W1).replace(b"/etc/mark", b"/etc/loot")
    site.write_record(W1, forged)

    code, said = site.cctl(direction)
    assert code == 6
    assert f"'grow' can't end on {W1}" in said
    assert "somebody has changed it there" in said
    (way_out,) = re.findall(r"switch the host off: `cctl (.*?)`", said)

    code, said = site.cctl(*way_out.split())
    assert code != 0
    assert f"{W1} isn't gone: it answers" in said

    site.fleet[W1].power_off()
    code, said = site.cctl(*way_out.split())
    assert code == 0, said
    assert site.record(W1) == forged, "nothing was done there"
    assert site.record(M1) == before
    assert not site.fleet[M1].made
    with opened() as hold:
        hold.refuse_run_in_progress()  # so that the machine can be deleted


@pytest.mark.parametrize(("direction", "made"), [("resume", True), ("rollback", False)])
def test_with_the_record_as_it_was_the_run_ends_the_way_that_it_went(site: Site, direction: str, made: bool) -> None:
    kept = site.record(W1)
    site.write_record(W1, kept.replace(b"/etc/mark", b"/etc/loot"))
    _, said = site.cctl(direction)
    (way_out,) = re.findall(r"from a backup, then `cctl (.*?)`", said)

    site.write_record(W1, kept)
    code, said = site.cctl(*way_out.split())
    assert code == 0, said
    assert {host.made for host in site.fleet.values()} == {made}
