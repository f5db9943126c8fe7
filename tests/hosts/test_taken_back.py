"""A real host is taken back from the record that ended runs have left on it, and given back half-way."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest
from step_host import LAB, StepHost

from klusterkit.engine.events import Event
from klusterkit.engine.executor import LocalExecutor
from klusterkit.engine.host import HOME
from klusterkit.engine.journal import Journal
from klusterkit.engine.plan import Plan
from klusterkit.engine.runner import Report, Runner
from klusterkit.engine.step import Step
from klusterkit.pki import Authority, Leaf, Usage
from klusterkit.plans.draft import Draft
from klusterkit.plans.revert import take_back
from klusterkit.session.running.ending import clear, record
from klusterkit.session.running.records import UNSEALED
from klusterkit.tasks.certificates import Certificate
from klusterkit.tasks.files import Directory, TextFile
from klusterkit.tasks.kernel import Sysctl
from klusterkit.tasks.network import Baseline
from klusterkit.tasks.systemd import Service, Unit
from klusterkit.tasks.tree import Tree
from tests.support.jsonexecutor import JsonExecutor
from tests.unit.engine.bench import MemoryStore

pytestmark = pytest.mark.hosts

UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
LEAF = Leaf(common_name="demo", dns_names=("demo",), usages=(Usage.SERVER,))
STEPS: dict[str, tuple[Step, tuple[str, ...]]] = {
    "network": (Baseline(), ()),
    "forward": (Sysctl(values={"net.ipv4.ip_forward": "1"}), ("network",)),
    "motd": (TextFile(path="/etc/motd", content="ours\n"), ()),
    "folder": (Directory(path="/srv/demo", mode=0o750), ()),
    "certificate": (
        Certificate(authority="ca", leaf=LEAF, path_certificate="/srv/demo/a.crt", path_key="/srv/demo/a.key"),
        ("folder",),
    ),
    "data": (Tree(path="/var/lib/demo", mode=0o700, on_undo="set-aside"), ()),
    "unit": (Unit(name="demo.service", content=UNIT), ()),
    "start": (Service(unit="demo.service"), ("unit", "data", "certificate")),
}


@pytest.fixture
def host() -> Iterator[StepHost]:
    instance = f"taken-back-{os.getpid()}"
    lab = [str(LAB), "--instance", instance]
    subprocess.run([*lab, "up", "t1"], check=True, capture_output=True)
    authority = Authority.create("kubernetes")
    secrets = {"ca.crt": authority.cert_pem.encode(), "ca.key": authority.key_pem.encode()}
    try:
        made = StepHost(instance, "t1", secrets)
        yield made
        made.real.close()
    finally:
        subprocess.run([*lab, "down", "--all"], check=True, capture_output=True)


class Run:
    """A run on the host."""

    def __init__(self, host: StepHost, plan: Plan, name: str) -> None:
        self.journal = Journal.open(MemoryStore(), plan.checked(), run=name, who="somebody")
        self.host = host

    def runner(self, tell: Callable[[Event], None] = lambda _: None, *, at_once: int = 256) -> Runner:
        local = LocalExecutor(lambda _: self.host.real, secret=self.host.secrets.__getitem__)
        return Runner(self.journal, JsonExecutor(local), tell, at_once=at_once)

    def stopped_after(self, tasks: int) -> Report:
        """Walk until so many tasks are done."""
        done: list[Event] = []

        def tell(event: Event) -> None:
            done.extend([event] if event.event == "done" else [])
            if len(done) == tasks:
                runner.stop()

        runner = self.runner(tell, at_once=1)  # or all that are left might run already
        return runner.forward()


def plan_of(*names: str, **changed: Step) -> Plan:
    draft = Draft()
    on = draft.on("t1")
    for name in names:
        step, needs = STEPS[name]
        on.add(name, changed.get(name, step), [f"t1/{need}" for need in needs])
    return Plan(operation="make", lineage="l", serial=1, tasks=tuple(draft.tasks))


def taking_back(host: StepHost) -> Plan:
    draft = Draft()
    take_back(draft.on("t1"), UNSEALED.read(host.real))
    tasks = tuple(draft.tasks)
    return Plan(operation="leave", lineage="l", serial=3, tasks=tasks, outcome={"removed": {"machines": ["t1"]}})


def made_twice(host: StepHost) -> None:
    """What one run made, another changes later."""
    later = plan_of("motd", motd=TextFile(path="/etc/motd", content="ours, newer\n"))
    for name, plan in (("r1", plan_of(*STEPS)), ("r2", later)):
        run = Run(host, plan, name)
        assert run.runner().forward().outcome == "done"
        record(lambda _: host.real, run.journal, records=UNSEALED)
    host.sh("echo data > /var/lib/demo/wal && mkdir /var/lib/demo/mounted && mount -t tmpfs none /var/lib/demo/mounted")


def test_a_host_is_what_it_was_before_the_first_run_and_keeps_what_was_set_aside(host: StepHost) -> None:
    made_twice(host)
    leaving = Run(host, taking_back(host), "r3")
    assert leaving.runner().forward().outcome == "done"
    clear(lambda _: host.real, leaving.journal)
    assert host.listing() == host.pristine
    assert host.sh("systemctl is-active demo.service || true") == "inactive"
    assert host.sh("cat /proc/sys/net/ipv4/ip_forward") == "0"
    files = host.sh(f"find {HOME} -type f").splitlines()
    assert [path.rpartition("/")[2] for path in files] == ["wal"]


@pytest.mark.parametrize("tasks", [1, 3, 5])
def test_given_back_half_way_it_is_as_the_runs_had_made_it(host: StepHost, tasks: int) -> None:
    made_twice(host)
    host.sh("umount /var/lib/demo/mounted && rm -r /var/lib/demo/mounted /var/lib/demo/wal && echo by hand > /etc/motd")
    made, started = host.listing(), host.sh("systemctl is-active demo.service")
    leaving = Run(host, taking_back(host), "r3")
    assert leaving.stopped_after(tasks).outcome == "stopped"
    assert leaving.runner().back().outcome == "undone"
    assert host.listing() == made
    assert host.sh("systemctl is-active demo.service") == started == "active"
