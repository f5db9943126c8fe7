"""A master keeps a sealed copy of the state file: whoever lost the laptop and has a key goes on with that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from private_host import PrivateHost
from small_runs import SmallSite, files

from klusterkit.engine.host import HOME

COPY = f"{HOME}/cctl-state.yaml"


@pytest.fixture
def site(own_host: PrivateHost, tmp_path: Path) -> SmallSite:
    return SmallSite(own_host, tmp_path / "operator")


def test_a_finished_run_leaves_the_state_file_on_the_master_for_root_alone(site: SmallSite) -> None:
    site("apply", site.save(*files("/run/a")))
    assert site.on_host(f"cat {COPY}") == site.state.read_text()
    assert site.on_host(f"stat -c '%a %U:%G' {COPY}") == "600 root:root\n"


def test_what_is_left_there_has_no_secret_in_plain_text(site: SmallSite) -> None:
    site("apply", site.save(*files("/run/a")))
    kept = site.on_host(f"cat {COPY}")
    assert "PRIVATE KEY" not in kept
    key = [line for line in site.host.key.read_text().splitlines() if not line.startswith("-----")]
    assert not any(line in kept for line in key)
    assert all(set(value) == {"sealed"} for value in site.snapshot["secrets"].values())


def test_a_lost_laptops_state_is_had_back_with_the_key(site: SmallSite) -> None:
    site("apply", site.save(*files("/run/a")))
    state = site.on_host(f"cat {COPY}")
    for path in site.home.glob("cctl-state.yaml*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    site.state.write_text(state)
    site.state.chmod(0o600)
    site("apply", site.save(*files("/run/b")))
    assert site.on_host("cat /run/b") == "/run/b\n"


def test_a_state_with_secrets_in_plain_text_is_copied_nowhere(own_host: PrivateHost, tmp_path: Path) -> None:
    site = SmallSite(own_host, tmp_path / "operator", "--insecure-plaintext-state")
    site("apply", site.save(*files("/run/a")))
    assert site.on_host(f"ls {COPY} 2>/dev/null || echo none") == "none\n"


def test_a_copy_that_cannot_be_written_is_a_notice_and_no_failure(site: SmallSite) -> None:
    plan = site.save(*files("/run/a"))
    site.on_host(f"mkdir -m 0700 -p {COPY}/in-the-way")
    said = site("apply", plan).err
    assert f"note: m1 has no copy of this state, which the next run will bring: {COPY} can't be written" in said
    assert len(site.snapshot["machines"]) == 1
