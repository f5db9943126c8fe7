"""Create machines: from bare hosts to a cluster that was seen to work. It reads as the list of what happens."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from klusterkit.cluster.artifacts import pause_image
from klusterkit.engine.plan import Plan
from klusterkit.plans.control_plane import ControlPlane, control_plane
from klusterkit.plans.draft import Draft
from klusterkit.plans.etcd import etcd_member
from klusterkit.plans.host import prepare
from klusterkit.plans.network import later_images, pod_network, services
from klusterkit.plans.node import kubelet_files, start_kubelet
from klusterkit.plans.proof import extra_artifacts, node_ready, probe_image, service_reached
from klusterkit.plans.request import CreateRequest, Target, endpoint_of
from klusterkit.plans.shared import import_images


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
    master = next(target for target in targets if target.machine.is_master)
    api = create_master(master)
    for target in targets:
        if target is not master:
            create_worker(master, target, api)
    return Plan(
        operation=request.operation,
        lineage=request.lineage,
        serial=request.serial,
        tasks=tuple(draft.tasks),
        budgets=draft.budgets,
        facts={machine.name: request.facts[machine.name].stable() for machine in request.machines},
        outcome=_outcome(request, targets),
    )


def create_master(target: Target) -> ControlPlane:
    """etcd, a control plane on top of it, and everything that a cluster needs once."""
    prepared = prepare(target)
    member = etcd_member(target, prepared)
    kubelet = kubelet_files(target, prepared)
    api = control_plane(target, prepared, member, kubelet)
    images = import_images(target, later_images(target), prepared.preflight, prepared.containerd)
    network = pod_network(target, api, images)
    reachable = services(target, api, images)
    ready = node_ready(target, target, api.marked, network)
    probe = probe_image(target, prepared.preflight, prepared.containerd)
    service_reached(target, target, api, ready, reachable, probe)
    return api


def create_worker(master: Target, target: Target, api: ControlPlane) -> None:
    """A kubelet that the master's API server knows."""
    prepared = prepare(target)
    kubelet = kubelet_files(target, prepared)
    wanted = [pause_image(target.cluster.release), *later_images(target)]
    images = import_images(target, wanted, prepared.preflight, prepared.containerd)
    started = start_kubelet(target, prepared, kubelet, images.values(), api.ready)
    ready = node_ready(master, target, api.access, started)
    probe = probe_image(target, prepared.preflight, prepared.containerd)
    service_reached(master, target, api, ready, f"{master.machine.name}/dns/coredns", probe)


def _outcome(request: CreateRequest, targets: list[Target]) -> dict[str, Any]:
    """What the state says afterwards: the cluster with its endpoint, the machines with their nodes and versions."""
    cluster = request.cluster.replace(endpoint=endpoint_of(request))
    version = cluster.kubernetes_version
    machines = [target.machine.replace(node_name=target.node, version=version) for target in targets]
    return {"cluster": cluster.to_object(), "machines": [machine.to_object() for machine in machines]}


__all__ = ["compile_create", "extra_artifacts"]
