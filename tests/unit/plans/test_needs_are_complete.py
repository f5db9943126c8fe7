"""Whatever a task uses on its host was brought there by a task that it waits for, or is on every host."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import networkx as nx
import pytest
import yaml
from hypothesis import given, settings

from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Step
from klusterkit.plans.create import compile_create
from klusterkit.plans.reference import MACHINE, create_three_masters_two_workers
from klusterkit.plans.request import CreateRequest
from klusterkit.tasks import etcdctl
from klusterkit.tasks.access import ClusterAdmins
from klusterkit.tasks.artifacts import Install, Unpack, Upload
from klusterkit.tasks.certificates import Certificate, Kubeconfig
from klusterkit.tasks.containerd import REGISTRIES, ImportImage, PullImage
from klusterkit.tasks.etcd import Healthy
from klusterkit.tasks.files import Directory, SecretFile, TextFile
from klusterkit.tasks.gates import ApiAnswers, ApiReady, NodeReady
from klusterkit.tasks.imagetree import ImageTree
from klusterkit.tasks.kubeadm import ApiPhase, Phase
from klusterkit.tasks.kubelet import FOLDERS, Pods
from klusterkit.tasks.manifest import Apply
from klusterkit.tasks.membership import Join, Promote
from klusterkit.tasks.node import Registration
from klusterkit.tasks.peers import Fetch
from klusterkit.tasks.probe import ServiceProbe
from klusterkit.tasks.registry import RegistryFile
from klusterkit.tasks.systemd import Service, Unit
from klusterkit.tasks.tree import Tree
from tests.unit.plans.requests import requests

EVERYWHERE = {
    *("/etc", "/lib", "/opt", "/var/lib", "/var/log", "/usr/local/bin", "/usr/local/sbin", "/etc/systemd/system"),
    *("/var/lib/klusterkit", "/dev/stdin", "/usr/local/lib"),
}
KUBECTL = (ApiReady, ApiAnswers, NodeReady, ClusterAdmins, Apply, ApiPhase, ServiceProbe, Registration)


def hosts_file(step: PullImage) -> str:
    """Where containerd finds out where an image really comes from."""
    return f"{REGISTRIES}/{step.reference.partition('/')[0]}/hosts.toml"


MAKES: dict[type[Step], Callable[[Any], Iterable[str]]] = {
    **dict.fromkeys((Upload, Fetch), lambda step: [f"artifact {step.sha256}"]),
    Unpack: lambda step: step.members.values(),
    Certificate: lambda step: [step.path_certificate, step.path_key],
    **dict.fromkeys((ImportImage, PullImage), lambda step: [f"image {step.reference}"]),
    Phase: lambda step: step.makes,
    Unit: lambda step: [f"unit {step.name}"],
    Service: lambda step: [f"running {step.unit}"],
    Pods: lambda _: FOLDERS,
    Join: lambda _: ["membership"],
    ImageTree: lambda step: [f"{step.path}/usr/local/sbin/keepalived"],
    **dict.fromkeys(
        (Install, TextFile, SecretFile, RegistryFile, Directory, Tree, Kubeconfig), lambda step: [step.path]
    ),
}


USES: dict[type[Step], Callable[[Any], Iterable[str]]] = {
    **dict.fromkeys((Install, Unpack), lambda step: [f"artifact {step.sha256}"]),
    **dict.fromkeys((Phase, ApiPhase), lambda step: ["/usr/local/bin/kubeadm", step.config]),
    ImportImage: lambda step: [f"artifact {step.sha256}", "running containerd.service", "/usr/local/bin/ctr"],
    PullImage: lambda step: [hosts_file(step), "running containerd.service", "/usr/local/bin/ctr"],
    ImageTree: lambda step: [f"image {step.reference}", "running containerd.service", step.path],
    Healthy: lambda _: [*etcdctl.FILES, "running etcd.service"],
    Join: lambda _: etcdctl.FILES,
    Pods: lambda _: ["running containerd.service"],
    Promote: lambda _: [*etcdctl.FILES, "running etcd.service", "membership"],
}


def made_by(task: Task) -> set[str]:
    """Paths, artifacts, units and images that are there when the task is done."""
    return set(MAKES.get(type(task.step), lambda _: [])(task.step))


def used_by(task: Task, plan: Plan) -> Iterator[str]:
    """What has to be there before the task begins."""
    step = task.step
    for path in made_by(task) if not isinstance(step, ImageTree) else ():
        if path.startswith("/"):
            yield posixpath.dirname(path)
    yield from USES.get(type(step), lambda _: [])(step)
    if isinstance(step, Service):
        yield f"unit {step.unit}"
        yield from used_by_unit(task, plan)
    if isinstance(step, KUBECTL):
        yield from ("/usr/local/bin/kubectl", "/etc/kubernetes/admin.conf", "running kubelet.service")


def used_by_unit(task: Task, plan: Plan) -> Iterator[str]:
    """The program of a unit, and every file that its configuration, if it has one, names."""
    unit = next(other.step for other in plan.tasks if other.host == task.host and names_unit(other, task))
    assert isinstance(unit, Unit)
    program = re.search(r"^ExecStart=(\S+)", unit.content, re.MULTILINE)
    root = re.search(r"^RootDirectory=(\S+)", unit.content, re.MULTILINE)
    assert program is not None
    yield f"{root[1] if root else ''}{program[1]}"
    named = re.findall(r"--(?:config|config-file|kubeconfig)=(\S+)", unit.content)
    yield from named
    for path in named:
        file = next((other.step for other in plan.tasks if other.host == task.host and path in made_by(other)), None)
        if isinstance(file, TextFile):
            yield from paths_in(yaml.safe_load(file.content))


def names_unit(candidate: Task, service: Task) -> bool:
    return isinstance(candidate.step, Unit) and candidate.step.name == getattr(service.step, "unit", None)


def paths_in(value: object) -> Iterator[str]:
    """Files and folders that a configuration names, but for those that its program makes itself."""
    if isinstance(value, dict):
        for part in value.values():
            yield from paths_in(part)
    elif isinstance(value, str) and value.startswith("/") and "volume-plugins" not in value and "/run/" not in value:
        yield value


def unmet(plan: Plan, known: Collection[str] = ()) -> list[str]:
    """Uses that no task before makes, but for those of hosts that are there before."""
    found: list[str] = []
    for task in (task for task in plan.tasks if task.host not in known):
        before = [plan.by_id[other] for other in nx.ancestors(plan.graph, task.id)]
        there = EVERYWHERE.union(*(made_by(other) for other in before if other.host == task.host))
        found += [f"{task.id} uses {thing}" for thing in used_by(task, plan) if thing not in there]
    return found


@given(requests())
@settings(max_examples=40, deadline=None)
def test_every_use_is_made_by_a_task_before(request: CreateRequest) -> None:
    assert unmet(compile_create(request), [machine.name for machine in request.existing]) == []


LAST = "10.0.0.7"
"""Of the reference's three masters, the one that joins last."""


@pytest.mark.parametrize(
    "left_out",
    [task.id for task in create_three_masters_two_workers().tasks if task.needs and task.host in (MACHINE.name, LAST)],
)
def test_the_check_notices_a_need_that_is_left_out(left_out: str) -> None:
    """At least for what is named by its path; order among steps of one API is only seen by a real one."""
    plan = create_three_masters_two_workers()
    tasks = tuple(task.model_copy(update={"needs": ()}) if task.id == left_out else task for task in plan.tasks)
    without = plan.model_copy(update={"tasks": tasks})
    for cached in ("graph", "by_id", "order"):
        without.__dict__.pop(cached, None)
    uses = list(used_by(plan.by_id[left_out], plan))
    assert bool(unmet(without)) == any(thing not in EVERYWHERE for thing in uses)
