"""What is left on hosts when a run has ended: a record where the machine stays, nothing of ours where it has left."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.engine.errors import HostUnreachable, PermanentError
from klusterkit.engine.host import HOME
from klusterkit.engine.journal import Journal, Record
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.record import PLACE, Done, HostRecord
from klusterkit.engine.step import copies_of
from klusterkit.hosts.errors import StaleState
from klusterkit.hosts.fence import FENCE, Fence
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.session.errors import RunCutShort
from klusterkit.session.running.ending import clear, end, let_go, record, refuse_left
from klusterkit.session.running.records import SECRET, UNSEALED, Records
from klusterkit.state import SecretMissing
from klusterkit.tasks.deploying import Deploy
from klusterkit.tasks.files import Directory, TextFile
from klusterkit.tasks.revert import Discard, Revert
from tests.unit.engine.bench import MemoryStore
from tests.unit.session.conftest import Opened
from tests.unit.tasks.step_world import new_host

TASKS = (
    Task(id="m1/folder", host="m1", step=Directory(path="/etc/demo")),
    Task(id="m1/file", host="m1", step=TextFile(path="/etc/demo/a", content="a\n"), needs=("m1/folder",)),
    Task(id="m2/folder", host="m2", step=Directory(path="/etc/demo")),
)


def journal(tasks: Sequence[Task] = TASKS, **outcome: Any) -> Journal:
    """Of a run in which every task found nothing there, and has ended."""
    plan = Plan(operation="grow", lineage="l", serial=1, tasks=tuple(tasks), outcome=outcome)
    made = Journal.open(MemoryStore(), plan, run="r1", who="somebody")
    for task in tasks:
        at = {"at": time.time(), "task": task.id}
        made.write(Record(record="begin", attempt=1, before={"type": "absent"}, **at), Record(record="end", **at))
    return made


def hosts() -> dict[str, SimulatedHost]:
    made = {name: new_host() for name in ("m1", "m2")}
    for host in made.values():
        host.machine.tree.makedirs(HOME, 0o700)
        host.write(Fence(lineage="l", serial=1, who="somebody", when=0.0).file())
    return made


def paths(host: SimulatedHost, below: str = HOME) -> set[str]:
    return {entry.path for entry in host.machine.tree.walk() if entry.path.startswith(f"{below}/")}


def test_each_host_keeps_what_was_done_to_it() -> None:
    there = hosts()
    record(there.__getitem__, journal(), records=UNSEALED)
    assert [done.task for done in UNSEALED.read(there["m1"]).done] == ["m1/folder", "m1/file"]
    assert [done.task for done in UNSEALED.read(there["m2"]).done] == ["m2/folder"]
    assert there["m1"].stat(PLACE)[0].mode == 0o600


def test_recording_twice_writes_once() -> None:
    there = hosts()
    record(there.__getitem__, journal(), records=UNSEALED)
    written = there["m1"].machine.tree.read(PLACE)
    changes = there["m1"].faults.mutations
    record(there.__getitem__, journal(), records=UNSEALED)
    assert there["m1"].machine.tree.read(PLACE) == written
    assert there["m1"].faults.mutations == changes


EARLIER = tuple(
    Done(task=f"m1/{path}", run="r0.0", step=TextFile(path=path, content=""), before={"type": "absent"})
    for path in ("/a", "/b")
)
TAKES_BACK = [
    Task(id="m1/undo", host="m1", step=Revert(step=done.step, before=done.before, run=done.run, task=done.task))
    for done in EARLIER[:1]
]
CHANGES = [Task(id="m1/b", host="m1", step=TextFile(path="/b", content="other\n"))]


def with_an_earlier_record() -> dict[str, SimulatedHost]:
    made = hosts()
    earlier = json.dumps(HostRecord(done=EARLIER).data(), separators=(",", ":"))
    made["m1"].machine.tree.write(PLACE, earlier, 0o600)
    return made


@pytest.mark.parametrize("tasks", [TASKS, TAKES_BACK, CHANGES], ids=["adds", "takes back", "changes"])
@pytest.mark.parametrize("stay", [(), ("m1",)])
def test_a_run_whose_end_was_cut_short_and_that_is_undone_leaves_the_record_as_it_was(
    tasks: Sequence[Task], stay: Sequence[str]
) -> None:
    """Otherwise the next run on the host would take what that one left for how the host was, or not know of it."""
    there = with_an_earlier_record()
    tree = there["m1"].machine.tree
    before = tree.read(PLACE)
    for _ in range(2):
        record(there.__getitem__, journal(tasks), records=UNSEALED)
    assert tree.read(PLACE) != before
    for _ in range(2):
        end(there.__getitem__, journal(tasks), "undone", stay, records=UNSEALED)
        assert tree.read(PLACE) == before
    assert there["m2"].stat(PLACE)[0].type == "absent"
    assert paths(there["m1"]) <= {PLACE, FENCE}


def test_copies_stay_of_how_the_host_was_and_not_of_what_an_earlier_run_had_made_there() -> None:
    """Nobody asks for those any more, and they may hold what is secret."""
    there = with_an_earlier_record()
    tasks = [*TASKS[:2], *CHANGES]
    copies = {task.id: copies_of("r1.0", task.id) for task in tasks}
    for folder in copies.values():
        there["m1"].machine.tree.makedirs(folder)
        there["m1"].machine.tree.write(f"{folder}/copy", "before")
    for _ in range(2):
        end(there.__getitem__, journal(tasks), "done", stay=("m1",), records=UNSEALED)
    left = {task for task, folder in copies.items() if there["m1"].stat(folder)[0].type != "absent"}
    assert left == {"m1/folder", "m1/file"}


def test_when_a_run_is_over_nothing_tells_of_the_record_before_it() -> None:
    there = with_an_earlier_record()
    end(there.__getitem__, journal(TAKES_BACK), "done", stay=("m1",), records=UNSEALED)
    assert UNSEALED.read(there["m1"]).done == EARLIER[1:]
    assert paths(there["m1"]) == {PLACE, FENCE}


def test_a_host_that_doesnt_take_it_leaves_the_run_resumable() -> None:
    there = hosts()
    there["m2"].faults.fail("write", HostUnreachable("gone", host="m2"))
    with pytest.raises(RunCutShort, match="'grow' can't end on m2") as caught:
        record(there.__getitem__, journal(), records=UNSEALED)
    assert caught.value.exit_code == 6
    assert "cctl resume" in str(caught.value.hint)
    record(there.__getitem__, journal(), records=UNSEALED)
    assert UNSEALED.read(there["m2"]).done


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_record_is_said_to_be(content: bytes) -> None:
    host = hosts()["m1"]
    host.machine.tree.write(PLACE, content.decode("latin-1"))
    with pytest.raises(PermanentError, match=r"record\.json on m1 is damaged|can't be read"):
        UNSEALED.read(host)


def test_a_record_that_was_changed_on_the_host_or_comes_from_another_is_refused() -> None:
    """Its steps are run by whoever reads it, with secrets: root of a host must not choose them."""
    there, records = hosts(), Records(key=b"k" * 32)
    end(there.__getitem__, journal(), "done", stay=("m1", "m2"), records=records)
    assert [done.task for done in records.read(there["m1"]).done] == ["m1/folder", "m1/file"]
    written = there["m1"].machine.tree.read(PLACE)

    for content in (
        written.replace(b"/etc/demo", b"/etc/loot"),
        json.dumps(HostRecord(done=EARLIER).data()).encode(),
        json.dumps(records.read(there["m1"]).sealed(b"k" * 32, "another host")).encode(),
    ):
        there["m1"].machine.tree.write(PLACE, content.decode(), 0o600)
        with pytest.raises(PermanentError, match="isn't told as it was written"):
            records.read(there["m1"])

    there["m1"].machine.tree.write(PLACE, json.dumps(json.loads(written), indent=2, sort_keys=True), 0o600)
    assert records.read(there["m1"]).done, "how it is laid out doesn't matter"
    with pytest.raises(PermanentError, match="isn't told as it was written"):
        Records(key=b"another" * 5).read(there["m1"])


def test_past_a_point_of_no_return_a_forged_record_is_put_aside_for_the_run_to_end() -> None:
    there, records = with_an_earlier_record(), Records(key=b"k" * 32)
    discarded = Discard(step=Directory(path="/old"), before={}, run="r0.0", task="m2/old")
    run = journal((*TASKS, Task(id="m2/undo/old", host="m2", step=discarded)))
    with pytest.raises(RunCutShort, match="can't end on m1") as caught:
        end(there.__getitem__, run, "done", stay=("m1", "m2"), records=records)
    assert "remove the file" in str(caught.value.hint)
    assert "rollback" not in str(caught.value.hint)

    there["m1"].machine.tree.remove(PLACE)
    end(there.__getitem__, run, "done", stay=("m1", "m2"), records=records)
    assert [done.task for done in records.read(there["m1"]).done] == ["m1/folder", "m1/file"]


def test_a_state_that_has_lost_the_key_believes_no_host_and_writes_to_none(opened: Opened) -> None:
    with opened() as hold:
        hold.state.fold(hold.state.without_secret(hold.snapshot, SECRET))
        with pytest.raises(SecretMissing, match=SECRET):
            _ = hold.records


def test_what_has_left_keeps_nothing_of_ours_but_data_that_was_set_aside() -> None:
    there = hosts()
    tree = there["m1"].machine.tree
    for name in ("artifacts/1", "kept/r0.0/t/x", "set-aside/r1.0/var%lib%etcd.1", "jobs/r1.0/t/1"):
        tree.makedirs(f"{HOME}/{name}")
    leaving = journal(removed={"machines": ["m1"]})
    record(there.__getitem__, leaving, records=UNSEALED)
    clear(there.__getitem__, leaving)
    assert paths(there["m1"]) == {
        f"{HOME}/set-aside",
        f"{HOME}/set-aside/r1.0",
        f"{HOME}/set-aside/r1.0/var%lib%etcd.1",
    }
    assert {FENCE, PLACE} <= paths(there["m2"]), "who stays is not touched"


@pytest.mark.parametrize("change", [2, 3, 4])  # the first looks what there is
def test_a_run_whose_end_has_come_to_a_host_that_leaves_can_only_be_ended(change: int) -> None:
    there, leaving = with_an_earlier_record(), journal(removed={"machines": ["m1"]})
    refuse_left(there.__getitem__, leaving)
    there["m1"].faults.crash("after", change, HostUnreachable("gone", host="m1"))
    with pytest.raises(RunCutShort):
        clear(there.__getitem__, leaving)
    with pytest.raises(StaleState, match="m1 has left already") as caught:
        refuse_left(there.__getitem__, leaving)
    assert "resume" in str(caught.value.hint)


def test_where_nothing_was_set_aside_the_folder_goes_too() -> None:
    there = hosts()
    clear(there.__getitem__, journal(removed={"machines": ["m1"]}))
    assert there["m1"].machine.tree.find(HOME) is None


def test_what_was_uploaded_stays_where_the_plan_keeps_it() -> None:
    there = hosts()
    there["m1"].machine.tree.makedirs(f"{HOME}/artifacts/1")
    clear(there.__getitem__, journal(removed={"machines": ["m1"], "keep": ["artifacts"]}))
    assert paths(there["m1"]) == {f"{HOME}/artifacts", f"{HOME}/artifacts/1"}


def test_a_machine_that_is_gone_is_not_asked_for() -> None:
    there = hosts()
    clear(there.__getitem__, journal(removed={"machines": ["m9"]}))
    assert FENCE in paths(there["m1"])


@given(st.integers(0, 6), st.sampled_from(["before", "middle", "after"]))
def test_clearing_that_was_cut_is_done_again(change: int, moment: Any) -> None:
    there = hosts()
    leaving = journal(removed={"machines": ["m1"]})
    there["m1"].faults.crash(moment, change + 1, HostUnreachable("gone", host="m1"))
    try:
        clear(there.__getitem__, leaving)
    except RunCutShort:
        clear(there.__getitem__, leaving)
    assert there["m1"].machine.tree.find(HOME) is None


def test_hosts_that_are_let_go_are_free_for_another_state() -> None:
    there = hosts()
    let_go(there.__getitem__, journal(), ["m2"])
    assert FENCE in paths(there["m1"])
    assert FENCE not in paths(there["m2"])


OBJECT = Task(
    id="m2/objects/secret/web/login",
    host="m2",
    step=Deploy(manifest={"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "web"}}),
)


@pytest.mark.parametrize("ending", ["done", "undone"])
def test_no_host_keeps_what_an_object_of_the_cluster_was_when_nothing_can_ask_for_it_any_more(ending: Any) -> None:
    there = hosts()
    tree = there["m2"].machine.tree
    for folder in ("r1.0/m2.objects.secret.web.login", "r1.0/m2.folder"):
        tree.makedirs(f"{HOME}/kept/{folder}")
        tree.write(f"{HOME}/kept/{folder}/was", "aHVudGVyMg==")
    end(there.__getitem__, journal((*TASKS, OBJECT)), ending, stay=("m1", "m2"), records=UNSEALED)
    left = {path for path in paths(there["m2"]) if path.endswith("/was")}
    assert left == {f"{HOME}/kept/r1.0/m2.folder/was"}, "what is the host's own is kept for the day when it leaves"
