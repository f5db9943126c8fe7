"""Gates at the end: nothing is called done that wasn't seen to work."""

from __future__ import annotations

from klusterkit.cluster import CNI, Artifact, ArtifactKind
from klusterkit.plans.control_plane import ControlPlane
from klusterkit.plans.draft import Needs
from klusterkit.plans.request import Target
from klusterkit.plans.shared import import_images
from klusterkit.tasks.gates import NodeReady
from klusterkit.tasks.probe import ServiceProbe

PROBE_IMAGE = "docker.io/library/busybox:1.35"
"""A shell, an HTTP server and a client: what the probe's pods are made of."""


def extra_artifacts(cni: CNI) -> tuple[Artifact, ...]:
    """What only the proof needs. A cluster without a network of ours or the operator's can't be proved so."""
    if cni.kind == "none":
        return ()
    repository, _, tag = PROBE_IMAGE.rpartition(":")
    path = f"images/{repository}/{tag}.tar"
    return (Artifact(PROBE_IMAGE, ArtifactKind.IMAGE, tag, path, f"{path}.sha256"),)


def node_ready(master: Target, target: Target, *needs: Needs) -> str:
    """The node is Ready, asked on the master. Without a network of ours it can only be expected to register."""
    network = target.cluster.cni.kind != "none"
    gate = NodeReady(node=target.node, network=network)
    return master.tasks.add(f"proof/node-{target.node}", gate, *needs, cost=6.0, timeout=240.0)


def probe_image(target: Target, preflight: str, containerd: str) -> list[str]:
    """The image of the probe's pods; a cluster without a network gets no probe."""
    if target.cluster.cni.kind == "none":
        return []
    return list(import_images(target, [PROBE_IMAGE], preflight, containerd).values())


def service_reached(master: Target, target: Target, api: ControlPlane, *needs: Needs) -> list[str]:
    """A pod on the node reaches a Service by its name."""
    if target.cluster.cni.kind == "none":
        return []
    probe = ServiceProbe(node=target.node, image=PROBE_IMAGE, dns_domain=target.cluster.dns_domain)
    path = f"proof/service-{target.node}"
    return [master.tasks.add(path, probe, *needs, cost=5.0, timeout=180.0, undone_by=api.member.data)]
