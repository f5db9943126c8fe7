"""State files and saved plans that aren't what they should be are refused before anything is changed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from bad_input import Laptop, flip, other_laptop

pytestmark = pytest.mark.hosts


class TestStateFile:
    def test_a_damaged_snapshot_is_refused_with_where_copies_are(self, operator: Laptop) -> None:
        flip(operator.state, b"192.168.0.0/16")

        said = operator.refused(*operator.create(), rc=3)

        assert f"the snapshot in {operator.state} is damaged or was edited" in said
        assert f"{operator.state}.1" in said
        assert "docs/state-file.md" in said

    def test_something_else_than_a_state_file_is_refused(self, operator: Laptop) -> None:
        shutil.copy(operator.key, operator.state)

        said = operator.refused(*operator.create(), rc=3)

        assert f"{operator.state} is not a KlusterKit state file" in said
        assert "--state" in said

    def test_a_file_that_is_encrypted_for_somebody_else_is_refused(self, operator: Laptop, tmp_path: Path) -> None:
        identity = operator.folder / ".config" / "klusterkit" / "identity.txt"
        identity.unlink()
        other = other_laptop(operator.site, tmp_path / "other")
        shutil.copy(other.folder / ".config" / "klusterkit" / "identity.txt", identity)

        said = operator.refused(*operator.create(), rc=3)

        assert f"{operator.state} is encrypted, and no key at hand opens it" in said
        assert "it opens with the identity of age1" in said
        assert "--identity" in said

    def test_a_locked_file_is_refused_with_who_holds_it(self, operator: Laptop) -> None:
        """Somebody else's command waits at its question all the while."""
        ours, theirs = pty.openpty()
        asking = subprocess.Popen(
            operator.command(*(argument for argument in operator.create() if argument != "--yes")),
            cwd=operator.folder,
            env=operator.environment,
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        )
        try:
            wait_for(ours, b"Do it?")

            said = operator.refused(*operator.create(), rc=4)

            os.write(ours, b"n\n")
            wait_for(ours, b"nothing was done")
            assert asking.wait(30) == 1
        finally:
            asking.kill()
            asking.wait()
            os.close(ours)
            os.close(theirs)
        assert f"{operator.state} is locked by 'create machine' of" in said
        assert f"pid {asking.pid}" in said
        assert "wait until it has ended, or end it" in said
        operator(*operator.plan())


def wait_for(terminal: int, words: bytes) -> None:
    """Read what is shown on a terminal until these words are."""
    shown = b""
    deadline = time.monotonic() + 60
    while words not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, shown
        shown += os.read(terminal, 65536)


class TestSavedPlan:
    @pytest.fixture
    def plan(self, operator: Laptop) -> Path:
        """Saved, and reviewed."""
        path = operator.folder / "plan.yaml"
        operator(*operator.plan("--out", str(path)))
        return path

    def test_a_plan_that_was_edited_is_refused(self, operator: Laptop, plan: Path) -> None:
        text = plan.read_text()
        edited = text.replace("net.ipv4.ip_forward: '1'", "net.ipv4.ip_forward: '0'")
        assert edited != text
        plan.write_text(edited)

        said = operator.refused("apply", str(plan), rc=3)

        assert f"{plan}: the plan was edited after it was saved" in said
        assert "cctl plan … --out FILE" in said

    def test_a_plan_that_lacks_its_end_is_refused(self, operator: Laptop, plan: Path) -> None:
        lines = plan.read_text().splitlines(keepends=True)
        plan.write_text("".join(lines[: len(lines) // 2]))

        said = operator.refused("apply", str(plan), rc=3)

        assert str(plan) in said
        assert "cctl plan … --out FILE" in said

    def test_a_plan_is_refused_when_the_state_has_moved_on(self, operator: Laptop, plan: Path, tmp_path: Path) -> None:
        key = operator.site.on_host("cat /etc/ssh/ssh_host_ed25519_key.pub")
        (tmp_path / "key.pub").write_text(key)
        with operator.site.second_sshd() as port:
            operator(*operator.plan("--port", str(port), "--public-keys", str(tmp_path / "key.pub")))

        said = operator.refused("apply", str(plan), rc=3)

        assert "the state has moved on since the plan was made" in said
        assert "the plan is for serial" in said
        assert "make a new plan" in said

    def test_a_plan_of_another_state_file_is_refused(self, operator: Laptop, plan: Path, tmp_path: Path) -> None:
        other = other_laptop(operator.site, tmp_path / "other")

        said = other.refused("apply", str(plan), rc=3)

        assert "the plan was made for another state file" in said
        assert "--state" in said

    def test_a_plan_is_refused_when_a_fact_of_the_host_has_changed(self, operator: Laptop, plan: Path) -> None:
        resolver = "echo nameserver 10.9.9.9 >/run/made; mount --bind /run/made /etc/resolv.conf"
        with operator.site.where(resolver, "umount /etc/resolv.conf"):
            said = operator.refused("apply", str(plan), rc=3)

        assert f"{operator.site.address} is no longer what the plan was made for" in said
        assert "name_servers was [], is ['10.9.9.9']" in said
        assert "make a new plan" in said

    def test_a_plan_is_refused_when_a_step_finds_something_else_on_the_host(self, operator: Laptop, plan: Path) -> None:
        folder = "mkdir -p /run/etc/containerd && mount -t overlay -o lowerdir=/run/etc:/etc overlay /etc"
        with operator.site.where(folder, "umount --lazy /etc; rm -r /run/etc"):
            said = operator.refused("apply", str(plan), rc=3)

        assert "hosts have changed since the plan was made" in said
        assert f"{operator.site.address}/containerd/folder" in said
        assert "make a new plan" in said
