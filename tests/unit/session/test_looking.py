"""Looking at the hosts of a plan: few round trips, and no host waits for another."""

from __future__ import annotations

import threading

from klusterkit.engine.errors import HostUnreachable
from klusterkit.engine.executor import LocalExecutor, Outcome, Verb
from klusterkit.engine.host import File
from klusterkit.engine.plan import Plan, Task
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.session.running.staleness import looked
from klusterkit.tasks.files import Directory, TextFile


class Site:
    """Hosts, and a plan of forty files and two folders on each."""

    def __init__(self, *names: str) -> None:
        self.hosts = {name: SimulatedHost(name) for name in names}
        steps = [TextFile(path=f"/f{number}", content="new") for number in range(40)]
        folders = [Directory(path=f"/d{number}") for number in range(2)]
        self.plan = Plan(
            operation="write",
            lineage="l",
            serial=1,
            tasks=tuple(
                Task(id=f"{name}/{step.path}", host=name, step=step) for name in names for step in (*steps, *folders)
            ),
        )

    def look(self, verb: Verb) -> dict[str, Outcome]:
        return looked(self.plan, verb, LocalExecutor(self.hosts.__getitem__))

    def calls(self, name: str) -> list[str]:
        return [call.method for call in self.hosts[name].faults.calls]


def test_steps_of_one_kind_on_one_host_are_looked_at_in_one_round_trip() -> None:
    site = Site("a", "b")
    outcomes = site.look(Verb.OBSERVE)
    assert list(outcomes) == [task.id for task in site.plan.tasks]
    assert not any(outcome.observation.satisfied for outcome in outcomes.values() if outcome.observation)
    assert site.calls("a") == site.calls("b") == ["stat", "stat"]


def test_only_what_differs_is_read_for_a_comparison() -> None:
    site = Site("a")
    site.hosts["a"].write(*(File(path=f"/f{number}", content=b"new") for number in range(1, 40)))
    site.hosts["a"].write(File(path="/f0", content=b"old"))
    site.hosts["a"].faults.calls.clear()
    outcomes = site.look(Verb.DIFFER)
    assert site.calls("a") == ["stat", "read", "stat"]
    assert [(each.old, each.new) for each in outcomes["a//f0"].differences] == [("old", "new")]
    assert outcomes["a//f1"].differences == ()


def test_no_host_waits_for_another() -> None:
    site = Site("slow", "quick")
    gate = site.hosts["slow"].faults.block("stat")
    walk = threading.Thread(target=site.look, args=(Verb.OBSERVE,), daemon=True)
    walk.start()
    assert gate.reached.wait(30)
    quick = site.hosts["quick"].faults
    deadline = threading.Event()
    assert any(len(quick.calls) == 2 or deadline.wait(0.05) for _ in range(200))
    gate.release()
    walk.join(30)


def test_a_host_that_is_gone_is_asked_once_for_each_kind_and_is_the_error_of_all_its_tasks() -> None:
    site = Site("gone", "there")
    site.hosts["gone"].power_off()
    outcomes = site.look(Verb.OBSERVE)
    errors = {task: outcome.error.type for task, outcome in outcomes.items() if outcome.error}
    assert errors == {task.id: HostUnreachable.__name__ for task in site.plan.tasks if task.host == "gone"}
    assert site.calls("gone") == ["stat", "stat"]


def test_where_one_of_many_cannot_be_looked_at_the_others_are() -> None:
    site = Site("a")
    site.hosts["a"].faults.fail(lambda call: "/f7" in call.args, PermissionError("no"), times=2)
    outcomes = site.look(Verb.OBSERVE)
    assert [task for task, outcome in outcomes.items() if outcome.error] == ["a//f7"]
