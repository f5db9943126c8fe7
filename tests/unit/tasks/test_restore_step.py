"""A snapshot becomes the data of a member that was never started; what is there is never overwritten."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from step_world import World, seen

from klusterkit.engine.errors import CommandFailed, PermanentError
from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Machine, SimulatedCrash
from klusterkit.tasks.artifacts import place
from klusterkit.tasks.snapshot import ETCDUTL, Restore
from tests.support.posix import said

STEP = Restore(sha256="ab" * 32, name="m1", peer="https://10.0.0.5:2380", token="t")
DATA = "/var/lib/etcd"


def etcdutl(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    folder = next(word.partition("=")[2] for word in argv if word.startswith("--data-dir="))
    if machine.tree.read(argv[3]) != b"snapshot":
        return said(1, err="Error: expected sha256 …")
    if machine.tree.find(folder) is not None:
        return said(1, err=f"data-dir {folder!r} not empty")
    machine.tree.makedirs(f"{folder}/member/snap")
    machine.tree.write(f"{folder}/member/snap/db", b"data")
    return said()


def move(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    moved = machine.tree.find(argv[-2])
    assert moved is not None
    machine.tree.remove(argv[-2], recursive=True)
    machine.tree.put(argv[-1], moved)
    return said()


def world(content: bytes = b"snapshot") -> World:
    made = World()
    made.host.program(ETCDUTL, etcdutl)
    made.host.program("mv", move)
    for folder in (DATA, place("").rstrip("/")):
        made.tree.makedirs(folder, 0o700)
    made.tree.write(place(STEP.sha256), content, 0o600)
    return made


def test_the_data_is_what_the_snapshot_held_and_the_upload_is_gone() -> None:
    there = world()
    there.do(STEP)
    assert there.host.read(f"{DATA}/member/snap/db") == b"data"
    assert there.host.stat(place(STEP.sha256))[0].type == "absent"


def test_data_that_is_there_is_never_overwritten() -> None:
    there = world()
    there.tree.makedirs(f"{DATA}/member")
    there.tree.write(f"{DATA}/member/db", b"precious")
    with pytest.raises(PermanentError, match="holds data"):
        there.do(STEP)
    assert there.host.read(f"{DATA}/member/db") == b"precious"


def test_a_snapshot_that_etcd_refuses_leaves_no_member() -> None:
    there = world(b"damaged")
    with pytest.raises(CommandFailed, match="can't be restored"):
        there.do(STEP)
    assert there.host.stat(f"{DATA}/member")[0].type == "absent"


@pytest.mark.parametrize("moment", ["before", "middle", "after"])
def test_cut_anywhere_it_can_be_done_again(moment: str) -> None:
    whole = world()
    already = whole.host.faults.mutations
    whole.do(STEP)
    wanted, changes = seen(whole.host), whole.host.faults.mutations - already
    assert changes > 4
    for change in range(1, changes + 1):
        there = world()
        there.host.faults.crash(moment, change)  # type: ignore[arg-type]
        with pytest.raises(SimulatedCrash):
            there.do(STEP)
        if not there.observe(STEP).satisfied:
            there.do(STEP)
        assert seen(there.host)["files"].keys() == wanted["files"].keys()
