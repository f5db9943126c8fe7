"""A host that somebody else works on: a command is refused with exit code 4 before it has begun anything."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import until
from private_host import PrivateHost
from small_runs import ADDRESS, SmallSite, files

from klusterkit.engine.errors import HostLocked, KlusterKitError
from klusterkit.hosts import Fleet, Lease


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
        assert "`cctl unlock --host m1` frees the host" in said
        assert site.state.read_bytes() == before
    site("apply", plan)


def test_no_run_begins_where_a_program_of_another_run_is_at_work(site: SmallSite) -> None:
    plan = site.save(*files("/run/a"))
    before = site.state.read_bytes()
    with site.host.fleet() as fleet:

        def work() -> None:
            with contextlib.suppress(KlusterKitError):  # it is ended before its time
                fleet["h"].job("other.0/task/1", ["sleep", "300"])

        worker = threading.Thread(target=work)
        worker.start()
        until(lambda: fleet["h"].job_state("other.0/task/1").status == "running")

        said = site("apply", plan, rc=4).err

        fleet["h"].job_stop("other.0/task/1")
        worker.join()
    assert "a program of another run is still at work on m1" in said
    assert site.state.read_bytes() == before


def taken(fleet: Fleet) -> bool:
    """Whether the lock could be taken, which whoever was killed has for a moment still."""
    with contextlib.suppress(HostLocked):
        fleet["h"].connect()
        return True
    return False


@pytest.mark.parametrize("command", [["resume"], ["rollback", "--yes"]])
def test_a_run_does_not_go_on_on_a_host_that_is_locked(site: SmallSite, command: list[str]) -> None:
    plan = site.save(*files("/run/a", "/run/b"))
    site("apply", plan, rc=-9, crash_after=3)
    before = site.state.read_bytes()
    with site.host.fleet(lease=others_lease(site)) as fleet:
        until(lambda: taken(fleet))

        assert "another KlusterKit works on m1" in site(*command, rc=4).err

        assert site.state.read_bytes() == before
    site(*command)


@pytest.fixture
def stopped(site: SmallSite) -> Iterator[SmallSite]:
    """The host is locked through a connection that died without its having noticed."""
    with site.host.fleet(lease=others_lease(site)) as fleet:
        fleet["h"].connect()
        notice_nothing = [pid for pid in site.host.pids("sshd") if pid != site.host.init]
        for pid in notice_nothing:
            os.kill(pid, signal.SIGSTOP)
        yield site
        for pid in notice_nothing:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_host_whose_lock_a_dead_connection_holds_is_freed(stopped: SmallSite) -> None:
    plan = stopped.save(*files("/run/a"))
    stopped("apply", plan, rc=4)
    address = ("--host", ADDRESS, "--port", str(stopped.host.port))

    ended = stopped("unlock", *address, "--yes")

    assert f"{ADDRESS} is locked by somebody@elsewhere, since" in ended.err
    assert ended.out == f"{ADDRESS} is free\n"
    assert stopped("unlock", *address, "--yes").out == f"{ADDRESS} is not locked\n"
    stopped("apply", plan)
    assert stopped("unlock", "--host", "m1", "--yes").out == "m1 is not locked\n"


def test_a_host_that_the_state_does_not_know_is_named_by_its_address(site: SmallSite) -> None:
    said = site("unlock", "--host", "m7", "--yes", rc=3).err
    assert "there is no machine 'm7', and it is no address" in said


def test_nothing_is_freed_that_nobody_was_asked_about(site: SmallSite) -> None:
    assert "say --yes" in site("unlock", "--host", ADDRESS, rc=3).err
