"""A host's lock is in a folder that is root's alone; where others could have written there, the host is refused."""

import os
import subprocess

import pytest

from klusterkit.hosts.errors import LockUnsafe
from klusterkit.hosts.lane import Reply
from klusterkit.hosts.lease import Lease, break_lease, holder_of
from klusterkit.hosts.prelude import prelude, shell
from klusterkit.hosts.quoting import word


class Shell:
    """A lane's shell on this machine, with its folders somewhere else."""

    def __init__(self, folder):
        self.run = folder / "run"
        self._home = str(folder / "home")

    def call(self, script, *, timeout=10.0):
        folder = b"\nkk_run=%s; kk_lock=$kk_run/lock\n" % word(str(self.run))
        text = prelude(self._home) + folder + script + b"\n"
        ended = subprocess.run(["/bin/sh"], input=text, capture_output=True, timeout=timeout)
        return Reply(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def lane(tmp_path):
    return Shell(tmp_path)


def strangers(lane):
    lane.run.mkdir(mode=0o700)
    os.chown(lane.run, 65534, 65534)


def open_to_all(lane):
    lane.run.mkdir()
    lane.run.chmod(0o1777)


def open_to_a_group(lane):
    lane.run.mkdir()
    lane.run.chmod(0o770)


def a_link(lane):
    (lane.run.parent / "elsewhere").mkdir(mode=0o700)
    lane.run.symlink_to("elsewhere")


unsafe = pytest.mark.parametrize("made", [strangers, open_to_all, open_to_a_group, a_link])


def test_the_lock_is_not_where_everybody_may_make_files():
    assert b"kk_run=/run/klusterkit #" in shell("lease.sh")


def test_the_folder_is_made_for_root_alone_and_used_again(lane):
    for _ in range(2):
        assert lane.call(b"kk_lease somebody").rc == 0
        assert lane.run.stat().st_mode & 0o7777 == 0o700


def test_a_folder_that_others_can_only_read_is_used(lane):
    lane.run.mkdir()
    lane.run.chmod(0o755)
    assert lane.call(b"kk_lease somebody").rc == 0


@unsafe
def test_where_others_could_have_written_no_lock_is_taken_and_nobody_believed(lane, made):
    made(lane)
    with pytest.raises(LockUnsafe) as caught:
        Lease("cluster", 1, "me").take(lane, "m1")
    assert (caught.value.exit_code, caught.value.host) == (5, "m1")
    assert str(lane.run) in caught.value.seen
    assert "/run/klusterkit" in caught.value.hint
    for refused in (lambda: holder_of(lane, "m1"), lambda: Lease("cluster", 1, "me").foresee(lane, "m1")):
        with pytest.raises(LockUnsafe):
            refused()
    assert list(lane.run.iterdir()) == []


@unsafe
def test_no_process_is_ended_because_somebody_else_wrote_its_number_there(lane, made):
    victim = subprocess.Popen(["sleep", "60"])
    try:
        made(lane)
        (lane.run / "lock.lanes").write_bytes(lane.call(b"kk_process %d; echo %d $kk_born x" % ((victim.pid,) * 2)).out)
        with pytest.raises(LockUnsafe):
            break_lease(lane, "m1")
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_where_no_lock_was_ever_taken_nobody_has_it_and_there_is_none_to_break(lane):
    assert holder_of(lane, "m1") is None
    break_lease(lane, "m1")
    assert not lane.run.exists()
