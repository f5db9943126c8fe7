"""Create machines: from bare hosts to a cluster that was seen to work. It reads as the list of what happens."""

from __future__ import annotations

import gc
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from klusterkit.cluster.artifacts import pause_image
from klusterkit.engine.plan import Plan, Task
from klusterkit.plans.api import Api, existing_api, register
from klusterkit.plans.control_plane import administrators, control_plane, mark, upload_configuration
from klusterkit.plans.description import cluster_of, describe, machine_of
from klusterkit.plans.draft import Draft
from klusterkit.plans.etcd import Ensemble, etcd_member
from klusterkit.plans.host import prepare
from klusterkit.plans.network import later_images, pod_network, services
from klusterkit.plans.node import kubelet_files, start_kubelet
from klusterkit.plans.proof import (
    dns_spread,
    endpoint_answers,
    extra_artifacts,
    node_ready,
    probe_image,
    service_reached,
)
from klusterkit.plans.request import CreateRequest, Target
from klusterkit.plans.shared import import_images
from klusterkit.plans.sharing import Peer, share
from klusterkit.plans.vip import share_address, widen


def compile_create(request: CreateRequest) -> Plan:
    """The plan that creates the request's machines. Pure and deterministic: it reaches no host.

    Raises:
        UsageError: there can't be a plan for this request.
        InvalidCluster: an address or a count that the cluster's networks don't allow.
    """
    with _without_collector():
        return _compile(request.checked())


@contextmanager
def _without_collector() -> Generator[None]:
    """A plan is being made and none of it is garbage: looking through all of it again and again takes half the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _compile(request: CreateRequest) -> Plan:
    draft = Draft()
    draft.budgets["uploads"] = request.options.uploads
    targets = [Target(request, machine, draft.on(machine.name)) for machine in request.machines]
    _create(request, targets, draft)
    if request.options.share:
        draft.tasks = list(_shared(draft.tasks, targets))
    facts = {machine.name: request.facts[machine.name] for machine in request.machines}
    return draft.plan(request, facts, _outcome(request, targets))


def _create(request: CreateRequest, targets: list[Target], draft: Draft) -> None:
    masters = [target for target in targets if target.machine.is_master]
    if request.anchor is None:
        api, members = create_first_master(masters.pop(0))
        widened: list[str] = []
    else:
        api, members = existing_api(request, draft.on(request.anchor)), Ensemble(request.member_addresses)
        widened = widen(request, draft)
    for target in masters:
        members = create_master(target, api, members, widened)
    known: list[str] = []
    for target in targets:
        if not target.machine.is_master:
            known.append(create_worker(target, api, _earlier(known, request.options.joins)))
    dns_spread(api, targets)


def _earlier(known: Sequence[str], at_once: int | None) -> Sequence[str]:
    """Of the gates that known nodes have passed, the one that the next node waits for."""
    return known[len(known) - at_once :][:1] if at_once and at_once <= len(known) else ()


def _shared(tasks: list[Task], targets: list[Target]) -> list[Task]:
    """With artifacts sent once, to masters first: what they start is waited for by all."""
    ordered = sorted(targets, key=lambda target: not target.machine.is_master)
    peers = [Peer.of(target.machine.name, target.address, target.facts) for target in ordered]
    return share(tasks, peers, seeds=sum(target.machine.is_master for target in targets) or None)


def create_first_master(target: Target) -> tuple[Api, Ensemble]:
    """etcd, a control plane on top of it, and everything that a cluster needs once."""
    prepared = prepare(target)
    member = etcd_member(target, prepared, Ensemble())
    kubelet = kubelet_files(target, prepared)
    describe(target, kubelet.kubernetes)
    ready = control_plane(target, prepared, member, kubelet)
    access = administrators(target, ready, member.data)
    upload_configuration(target, access, member.data)
    marked = mark(target, access, member.data)
    images = import_images(target, later_images(target), prepared.preflight, prepared.containerd)
    answers = endpoint_answers(target, share_address(target, prepared, ready, ())) or ready
    network = pod_network(target, access, answers, images, member.data)
    reachable = services(target, access, answers, images, member.data)
    api = Api(target.tasks, answers, access, tuple(reachable), tuple(network), member.data)
    registered = node_ready(api, target, marked)
    probe = probe_image(target, prepared.preflight, prepared.containerd)
    service_reached(api, target, registered, probe)
    return api, member.ensemble


def create_master(target: Target, api: Api, others: Ensemble, widened: list[str]) -> Ensemble:
    """One more member of etcd, and one more control plane beside it. Returns the members with this one."""
    prepared = prepare(target)
    member = etcd_member(target, prepared, others)
    kubelet = kubelet_files(target, prepared)
    describe(target, kubelet.kubernetes)
    ready = control_plane(target, prepared, member, kubelet, *register(api, target))
    marked = mark(target, ready, api.objects_of(target), api.access)
    share_address(target, prepared, ready, widened)
    images = import_images(target, later_images(target), prepared.preflight, prepared.containerd)
    registered = node_ready(api, target, marked, images.values())
    probe = probe_image(target, prepared.preflight, prepared.containerd)
    service_reached(api, target, registered, probe)
    return member.ensemble


def create_worker(target: Target, api: Api, after: Sequence[str]) -> str:
    """A kubelet that the cluster's API knows. Returns the task after which its node is Ready.

    ``after``: tasks that have to be over before it starts, however they ended.
    """
    prepared = prepare(target)
    kubelet = kubelet_files(target, prepared)
    wanted = [pause_image(target.cluster.release), *later_images(target)]
    images = import_images(target, wanted, prepared.preflight, prepared.containerd)
    registered = register(api, target)
    uses = (target, prepared, kubelet, images.values(), api.answers)
    started = start_kubelet(*uses, registered=registered, after=after)
    known = node_ready(api, target, api.access, started)
    probe = probe_image(target, prepared.preflight, prepared.containerd)
    service_reached(api, target, known, probe)
    return known


def _outcome(request: CreateRequest, targets: list[Target]) -> dict[str, Any]:
    """What the state says afterwards: the cluster with its endpoint, the machines with their nodes and versions."""
    # By hand, nothing else knows the masters that were asked, whom the host needs again when it leaves.
    asked = [machine for machine in request.existing if request.by_hand and machine.is_master]
    machines = [*asked, *map(machine_of, targets)]
    return {"cluster": cluster_of(request).to_object(), "machines": [machine.to_object() for machine in machines]}


__all__ = ["compile_create", "extra_artifacts"]
