"""Gates at the end: nothing is called done that wasn't seen to work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from klusterkit.cluster import CNI, Artifact, ArtifactKind, Taint
from klusterkit.plans.api import Api
from klusterkit.plans.draft import Needs
from klusterkit.plans.request import CONTROL_PLANE_TAINT, Target, taints_of
from klusterkit.plans.shared import import_images
from klusterkit.tasks.gates import ApiAnswers, NodeReady
from klusterkit.tasks.probe import ServiceProbe
from klusterkit.tasks.spread import Spread

PROBE_IMAGE = "docker.io/library/busybox:1.35"
"""A shell, an HTTP server and a client: what the probe's pods are made of."""


def extra_artifacts(cni: CNI) -> tuple[Artifact, ...]:
    """What only the proof needs. A cluster without a network of ours or the operator's can't be proved so."""
    if cni.kind == "none":
        return ()
    repository, _, tag = PROBE_IMAGE.rpartition(":")
    path = f"images/{repository}/{tag}.tar"
    return (Artifact(PROBE_IMAGE, ArtifactKind.IMAGE, tag, path, f"{path}.sha256"),)


def endpoint_answers(target: Target, held: Sequence[str]) -> str | None:
    """The virtual address is held, and an API server answers at it. None for a cluster without one."""
    gate = ApiAnswers(server=target.server)
    return target.tasks.add("api/answers", gate, held, cost=1.0) if held else None


def node_ready(api: Api, target: Target, *needs: Needs) -> str:
    """The node is Ready. Without a network of ours it can only be expected to register."""
    network = target.cluster.cni.kind != "none"
    gate = NodeReady(node=target.node, network=network)
    return api.tasks.add(_node_gate(target), gate, *needs, api.network, cost=6.0, timeout=240.0)


def _node_gate(target: Target) -> str:
    return f"proof/node-{target.node}"


def dns_spread(api: Api, targets: Sequence[Target]) -> list[str]:
    """Cluster DNS is on more than one node, when there are any. On one, all of the cluster's names die with it."""
    request = targets[0].request
    if request.cluster.cni.kind == "none" or (request.anchor is None and len(targets) == 1):
        return []
    ready = [f"{api.tasks.host}/{_node_gate(target)}" for target in _first_for_dns(api, targets)]
    step = Spread(deployment="coredns", selector="k8s-app=kube-dns")
    return [api.tasks.add("dns/spread", step, ready, api.services, cost=5.0, timeout=180.0)]


def _first_for_dns(api: Api, targets: Sequence[Target]) -> Sequence[Target]:
    """The new nodes that cluster DNS waits for, before it has two nodes that it may run on; all, if those are too few.

    The other machines come meanwhile. The first master is Ready before all others, and workers, which don't wait for
    one another, before the rest of the masters. Those that the scheduler is told to avoid are the last: it would rather
    put both pods on one of the others.
    """
    wanted = 1 if any(_takes_dns(taints_of(machine)) for machine in targets[0].request.existing) else 2
    fit = [target for target in targets if _takes_dns(target.taints)]
    fit.sort(key=lambda to: (_avoided(to.taints), to.machine.name != api.tasks.host, to.machine.is_master))
    return fit[:wanted] if len(fit) >= wanted else targets


def _takes_dns(taints: Iterable[Taint]) -> bool:
    """Kubeadm's CoreDNS tolerates the taint of control planes (kubeadm, ``phases/addons/dns/manifests.go``)."""
    tolerated = (CONTROL_PLANE_TAINT.key, "NoSchedule")
    return all(taint.effect == "PreferNoSchedule" or (taint.key, taint.effect) == tolerated for taint in taints)


def _avoided(taints: Iterable[Taint]) -> bool:
    """Ours it tolerates, too (``plans/files/kubeadm.py``)."""
    return any(taint.effect == "PreferNoSchedule" and taint.key != CONTROL_PLANE_TAINT.key for taint in taints)


def probe_image(target: Target, preflight: str, containerd: str) -> list[str]:
    """The image of the probe's pods; a cluster without a network gets no probe."""
    if target.cluster.cni.kind == "none":
        return []
    return list(import_images(target, [PROBE_IMAGE], preflight, containerd).values())


def service_reached(api: Api, target: Target, *needs: Needs) -> list[str]:
    """A pod on the node reaches a Service by its name."""
    if target.cluster.cni.kind == "none":
        return []
    probe = ServiceProbe(node=target.node, image=PROBE_IMAGE, dns_domain=target.cluster.dns_domain)
    path, within = f"proof/service-{target.node}", api.objects_of(target)
    return [api.tasks.add(path, probe, *needs, api.services, cost=5.0, timeout=180.0, undone_by=within)]
