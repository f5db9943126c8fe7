"""Two operators at once, on one state file or on two copies of it: the second is refused before anything is done."""

from __future__ import annotations

import copy
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import until
from private_host import PrivateHost
from small_runs import SmallSite, files

from klusterkit.tasks.gates import ApiReady


@pytest.fixture
def first(own_host: PrivateHost, tmp_path: Path) -> SmallSite:
    site = SmallSite(own_host, tmp_path / "first")
    site.environment["LOGNAME"] = "anna"
    return site


@pytest.fixture
def second(first: SmallSite, tmp_path: Path) -> SmallSite:
    """Another operator's machine, with a copy of all that the first one has."""
    site = copy.copy(first)
    site.home = tmp_path / "second"
    shutil.copytree(first.home, site.home)
    site.environment = first.environment | {"HOME": str(site.home), "LOGNAME": "bert"}
    return site


@pytest.fixture
def at_work(first: SmallSite, second: SmallSite) -> Iterator[SmallSite]:
    """The first operator's run waits for something in its middle."""
    run = first.start("apply", first.save(*files("/run/a"), ApiReady()))
    try:
        until(lambda: first.on_host("ls /run/a 2>/dev/null || true") != "", 60)
        yield first
    finally:
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=60) == 130
    first("rollback", "--yes")


def test_on_one_state_file_the_second_hears_who_holds_it_and_since_when(at_work: SmallSite) -> None:
    other = copy.copy(at_work)
    other.environment = at_work.environment | {"LOGNAME": "bert"}

    said = other("resume", rc=4).err

    assert f"{at_work.state} is locked by 'apply plan.yaml' of anna@{os.uname().nodename} (pid " in said
    assert "since 20" in said


def test_on_a_copy_the_second_hears_who_is_at_work_on_the_host_and_since_when(
    at_work: SmallSite, second: SmallSite
) -> None:
    before = second.state.read_bytes()

    said = second("apply", second.save(*files("/run/b")), rc=4).err

    assert "another KlusterKit works on m1" in said
    assert f"anna@{os.uname().nodename}" in said
    assert re.search(r"since 20\S+Z", said)
    assert second.state.read_bytes() == before
    assert second.on_host("ls /run/b 2>/dev/null || echo none") == "none\n"


def test_a_copy_that_another_operators_run_has_left_behind_is_refused_by_the_host(
    first: SmallSite, second: SmallSite
) -> None:
    first("apply", first.save(*files("/run/a")))
    before = second.state.read_bytes()

    said = second("apply", second.save(*files("/run/b")), rc=5).err

    assert f"anna@{os.uname().nodename}" in said
    assert second.state.read_bytes() == before
    assert second.on_host("ls /run/b 2>/dev/null || echo none") == "none\n"


def test_a_copy_that_was_left_behind_does_not_catch_up_by_writing_itself(first: SmallSite, second: SmallSite) -> None:
    first("apply", first.save(*files("/run/a")))
    for _ in range(3):
        second("state", "rekey")
    before = second.state.read_bytes()

    said = second("apply", second.save(*files("/run/b")), rc=5).err

    assert "older than what m1 has seen: it knows nothing of run" in said
    assert f"anna@{os.uname().nodename}" in said
    assert second.state.read_bytes() == before
    assert second.on_host("ls /run/b 2>/dev/null || echo none") == "none\n"


def test_a_copy_from_the_middle_of_a_run_that_went_on_is_refused_by_the_host(
    first: SmallSite, second: SmallSite
) -> None:
    """It knows nothing of what came after: taken back by it, that would stay, and nobody could tell any more."""
    first("apply", first.save(*files(*(f"/run/{name}" for name in "abcdef"))), rc=-9, crash_after=5)
    shutil.copy(first.state, second.state)
    first("resume", rc=-9, crash_after=4)
    before = second.state.read_bytes()

    for command in (("rollback", "--yes"), ("resume",)):
        said = second(*command, rc=5).err
        assert "older than what m1 has seen of the same run" in said
        assert second.state.read_bytes() == before

    first("rollback", "--yes")
    assert first.on_host("ls /run/[a-f] /var/lib/klusterkit/reached 2>/dev/null || true") == ""
