"""A state file that can be read and not written: nothing it says may be acted on, it may not be on the disk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from private_host import PrivateHost
from small_runs import SmallSite, files


@pytest.fixture
def unwritable(own_host: PrivateHost, tmp_path: Path) -> Iterator[SmallSite]:
    """A run was killed right after it had said what it would begin."""
    site = SmallSite(own_host, tmp_path / "home")
    site("apply", site.save(*files("/run/a")), rc=-9, crash_after=2)
    subprocess.run(["chattr", "+i", str(site.state)], check=True)
    yield site
    subprocess.run(["chattr", "-i", str(site.state)], check=True)


def test_where_no_log_can_be_written_no_run_begins_and_one_that_has_can_be_resumed(
    own_host: PrivateHost, tmp_path: Path
) -> None:
    site = SmallSite(own_host, tmp_path / "home")
    log = site.state.with_name(f"{site.state.name}.log")
    log.write_text("a file")
    plan = site.save(*files("/run/a", "/run/b"))

    assert f"can't write {log}" in site("apply", plan, rc=1).err
    assert "no run is in progress" in site("resume", rc=3).err

    log.unlink()
    site("apply", plan, rc=-9, crash_after=3)
    log.rename(log.with_suffix(".aside"))
    log.write_text("a file")
    assert "`cctl resume` goes on from there" in site("resume", rc=6).err
    log.unlink()
    site("resume")
    assert site.on_host("ls /run/a /run/b").split() == ["/run/a", "/run/b"]


@pytest.mark.parametrize("command", [("resume",), ("rollback", "--yes")], ids=["resume", "rollback"])
def test_a_run_goes_neither_way_and_its_host_hears_nothing(unwritable: SmallSite, command: tuple[str, ...]) -> None:
    there = unwritable.on_host("ls /run/a 2>/dev/null; cat /var/lib/klusterkit/reached 2>/dev/null || true")

    said = unwritable(*command, rc=6).err

    assert f"can't write {unwritable.state}: Operation not permitted" in said
    assert "`cctl resume` goes on from there" in said
    assert unwritable.on_host("ls /run/a 2>/dev/null; cat /var/lib/klusterkit/reached 2>/dev/null || true") == there
