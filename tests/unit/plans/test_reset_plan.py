"""Taking a host back by itself, whatever runs have made it."""

from __future__ import annotations

import itertools

import pytest

from klusterkit.engine.record import Done, HostRecord
from klusterkit.plans.files.etcd import DATA
from klusterkit.plans.memberreset import MemberResetRequest, Membership, compile_member_reset
from klusterkit.plans.reference import FACTS, LINEAGE
from klusterkit.tasks.files import Directory, TextFile
from klusterkit.tasks.tree import Tree

STEPS = {
    "etcd/folder": (Directory(path="/etc/etcd"), ()),
    "etcd/configuration": (TextFile(path="/etc/etcd/etcd.yaml", content=""), ("etcd/folder",)),
    "etcd/data": (Tree(path=DATA, mode=0o700, on_undo="set-aside"), ()),
}


def record(*runs: tuple[str, ...]) -> HostRecord:
    """What these runs did, each some of the steps."""
    done = [
        Done(
            task=f"m1/{path}",
            run=f"r{number}.0",
            step=STEPS[path][0],
            before={},
            needs=tuple(f"m1/{need}" for need in STEPS[path][1] if need in run),
        )
        for number, run in enumerate(runs)
        for path in run
    ]
    return HostRecord(done=tuple(done))


def request(recorded: HostRecord, member: Membership | None = None) -> MemberResetRequest:
    return MemberResetRequest(
        host="m1", facts=FACTS, record=recorded, member=member, lineage=LINEAGE, serial=3, operation="etcdadm reset"
    )


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)))
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_however_many_runs_made_it_all_is_taken_back(order: tuple[str, ...], cut: int) -> None:
    runs = [order[:cut], order[cut:]] if cut < 3 else [order]
    plan = compile_member_reset(request(record(*runs))).checked()
    assert {task.id for task in plan.tasks} == {f"m1/undo/{path}" for path in STEPS}
    assert [task.id for task in plan.points_of_no_return()] == ["m1/undo/etcd/data"]


def test_what_one_run_made_can_come_back_until_the_data_go() -> None:
    plan = compile_member_reset(request(record(tuple(STEPS))))
    assert plan.order[-1] == "m1/undo/etcd/data"


def test_a_member_leaves_before_anything_is_taken_back() -> None:
    member = Membership(name="m1", peer="https://10.0.0.5:2380", others=("https://10.0.0.6:2379",))
    plan = compile_member_reset(request(record(tuple(STEPS)), member)).checked()
    assert plan.order[:2] == ("m1/etcd/spared", "m1/etcd/leave"), "while there still is a way back"
    assert plan.outcome["removed"]["machines"] == ["m1"]


def test_a_host_to_which_nothing_was_done_has_nothing_to_take_back() -> None:
    assert compile_member_reset(request(HostRecord())).tasks == ()
