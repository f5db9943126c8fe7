"""A host that somebody else works on: a command is refused with exit code 4 before it has begun anything."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from clients import until
from private_host import PrivateHost
from small_runs import SmallSite, files

from klusterkit.hosts import Lease


@pytest.fixture
def site(own_host: PrivateHost, tmp_path: Path) -> SmallSite:
    return SmallSite(own_host, tmp_path / "operator")


def others_lease(site: SmallSite) -> Lease:
    return Lease("", 0, "somebody@elsewhere", "theirs")


def test_no_run_begins_on_a_host_that_is_locked(site: SmallSite) -> None:
    plan = site.save(*files("/run/a"))
    before = site.state.read_bytes()
    with site.host.fleet(lease=others_lease(site)) as fleet:
        fleet["h"].connect()

        said = site("apply", plan, rc=4).err

        assert "another KlusterKit works on m1" in said
        assert "somebody@elsewhere" in said
        assert site.state.read_bytes() == before
    site("apply", plan)


def test_no_run_begins_where_a_program_of_another_run_is_at_work(site: SmallSite) -> None:
    plan = site.save(*files("/run/a"))
    before = site.state.read_bytes()
    with site.host.fleet() as fleet:
        threading.Thread(target=fleet["h"].job, args=("other.0/task/1", ["sleep", "300"]), daemon=True).start()
        until(lambda: fleet["h"].job_state("other.0/task/1").status == "running")

        said = site("apply", plan, rc=4).err

        fleet["h"].job_stop("other.0/task/1")
    assert "a program of another run is still at work on m1" in said
    assert site.state.read_bytes() == before


@pytest.mark.parametrize("command", [["resume"], ["rollback", "--yes"]])
def test_a_run_does_not_go_on_on_a_host_that_is_locked(site: SmallSite, command: list[str]) -> None:
    plan = site.save(*files("/run/a", "/run/b"))
    site("apply", plan, rc=-9, crash_after=3)
    before = site.state.read_bytes()
    with site.host.fleet(lease=others_lease(site)) as fleet:
        fleet["h"].connect()

        assert "another KlusterKit works on m1" in site(*command, rc=4).err

        assert site.state.read_bytes() == before
    site(*command)
