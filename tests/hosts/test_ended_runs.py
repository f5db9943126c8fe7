"""A run that has ended is over for its hosts: no copy of the state with its journal can take it back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from private_host import PrivateHost
from small_runs import SmallSite, files

from klusterkit.engine.host import HOME

FENCE = f"{HOME}/fence.json"


@pytest.fixture
def site(own_host: PrivateHost, tmp_path: Path) -> SmallSite:
    return SmallSite(own_host, tmp_path / "operator")


@pytest.fixture
def ended(site: SmallSite) -> SmallSite:
    """A run was killed in its middle, copied, and finished."""
    plan = site.save(*files("/run/a", "/run/b", "/run/c"))
    site("apply", plan, rc=-9, crash_after=4)
    shutil.copy(site.state, site.home / "midst.yaml")
    site("resume")
    assert len(site.snapshot["machines"]) == 1
    return site


def there(site: SmallSite) -> list[str]:
    return site.on_host("ls /run/a /run/b /run/c 2>/dev/null || true").split()


@pytest.mark.parametrize("copy", ["cctl-state.yaml.1", "midst.yaml"])
def test_a_copy_with_the_journal_of_a_finished_run_cannot_take_it_back(ended: SmallSite, copy: str) -> None:
    before = (ended.home / copy).read_bytes()

    said = ended("--state", copy, "rollback", "--yes", rc=5).err

    assert there(ended) == ["/run/a", "/run/b", "/run/c"]
    assert (ended.home / copy).read_bytes() == before
    assert "m1 knows that this run has ended: it is done" in said
    assert "cctl resume" in said


@pytest.mark.parametrize("copy", ["cctl-state.yaml.1", "midst.yaml"])
def test_such_a_copy_can_be_resumed_which_keeps_the_runs_outcome(ended: SmallSite, copy: str) -> None:
    ended("--state", copy, "resume")

    assert there(ended) == ["/run/a", "/run/b", "/run/c"]
    shutil.copy(ended.home / copy, ended.state)
    assert len(ended.snapshot["machines"]) == 1
    assert "no run is in progress" in ended("rollback", "--yes", rc=3).err


def test_a_host_that_cannot_be_told_of_the_end_leaves_the_run_to_be_resumed(site: SmallSite) -> None:
    plan = site.save(*files("/run/a"))
    site("apply", plan, rc=-9, crash_after=3)
    site.on_host(f"rm -r {HOME}/fence.json && mkdir {HOME}/fence.json")

    said = site("resume", rc=6).err

    assert "cctl resume" in said
    assert site.snapshot["machines"] == []
    site.on_host(f"rmdir {HOME}/fence.json")
    site("resume")
    assert json.loads(site.on_host(f"cat {FENCE}"))["ended"] == "done"


def test_a_run_that_was_taken_back_leaves_its_hosts_to_others(site: SmallSite) -> None:
    plan = site.save(*files("/run/a"))
    site("apply", plan, rc=-9, crash_after=3)

    site("rollback", "--yes")

    assert site.on_host(f"ls {FENCE} 2>/dev/null || echo none") == "none\n"


def test_a_run_on_machines_of_the_cluster_that_was_taken_back_cannot_be_resumed(ended: SmallSite) -> None:
    plan = ended.save(*files("/run/d"))
    ended("apply", plan, rc=-9, crash_after=3)
    ended("rollback", "--yes")

    said = ended("--state", "cctl-state.yaml.1", "resume", rc=5).err

    assert "m1 knows that this run has ended: it is undone" in said
    assert ended.on_host("ls /run/d 2>/dev/null || echo none") == "none\n"
