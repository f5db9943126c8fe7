"""Where data of etcd lie that were set aside, and how to be rid of them, is told when a run has ended."""

from __future__ import annotations

from typing import Any

import pytest

from klusterkit.engine.errors import HostUnreachable
from klusterkit.engine.host import HOME
from klusterkit.engine.plan import Task
from klusterkit.hosts.fence import Ending
from klusterkit.session.running.asides import told_of_asides
from klusterkit.tasks.revert import Discard
from klusterkit.tasks.tree import Tree
from tests.unit.session.test_ending import TASKS, hosts, journal

DATA = Tree(path="/var/lib/etcd", mode=0o700, on_undo="set-aside")
MADE = Task(id="m1/etcd/data", host="m1", step=DATA)
TAKEN_BACK = Task(
    id="m1/undo/etcd/data", host="m1", step=Discard(step=DATA, before={}, run="r0.0", task="m1/etcd/data")
)
COPY = f"{HOME}/set-aside/r0.0/var%lib%etcd.1"
KEPT = f"m1 keeps what its etcd held, all Secrets of the cluster included, in {COPY}."


def there(*paths: str) -> dict[str, Any]:
    made = hosts()
    for path in paths:
        made["m1"].machine.tree.makedirs(path)
    return made


def told(found: dict[str, Any], task: Task, ending: Ending, others: tuple[str, ...] = ()) -> list[str]:
    return told_of_asides(found.__getitem__, journal([TASKS[0], task]), ending, others)


@pytest.mark.parametrize(("task", "ending"), [(TAKEN_BACK, "done"), (MADE, "undone")], ids=["deleted", "rolled back"])
def test_host_path_and_the_line_that_removes_it_are_told(task: Task, ending: Ending) -> None:
    (said,) = told(there(COPY), task, ending)
    assert said.startswith(KEPT)
    assert said.endswith(f"as root on the host: rm -r {COPY}")


def test_every_copy_is_named_and_nothing_that_is_not_etcds() -> None:
    earlier = f"{HOME}/set-aside/q9.0/var%lib%etcd.2"
    (said,) = told(there(COPY, earlier, f"{HOME}/set-aside/r0.0/etc%kubernetes.1"), TAKEN_BACK, "done")
    assert said.endswith(f"rm -r {earlier} {COPY}")
    assert "kubernetes" not in said


@pytest.mark.parametrize(("task", "ending"), [(TAKEN_BACK, "undone"), (MADE, "done"), (TASKS[2], "done")])
def test_a_run_that_leaves_etcd_where_it_is_asks_nobody(task: Task, ending: Ending) -> None:
    found = there(COPY)
    assert told(found, task, ending) == []
    assert not [call for host in found.values() for call in host.faults.calls if call.method == "run"]


def test_where_etcd_held_nothing_there_is_nothing_to_tell() -> None:
    assert told(there(), TAKEN_BACK, "done") == []


def test_a_host_that_is_gone_is_not_asked() -> None:
    assert told(there(COPY), TAKEN_BACK, "done", others=("m1",)) == []


def test_a_host_that_does_not_answer_any_more_is_told_of_and_holds_nobody_up() -> None:
    found = there(COPY)
    found["m1"].faults.fail("run", HostUnreachable("m1 doesn't answer", host="m1"))
    (said,) = told(found, TAKEN_BACK, "done")
    assert f"m1 may keep data of etcd below {HOME}/set-aside, with all Secrets of the cluster" in said
