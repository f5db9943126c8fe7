"""A kubelet on a host, and what it needs before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from klusterkit.plans.certificates import node_certificates
from klusterkit.plans.draft import Needs
from klusterkit.plans.files import kubelet, units
from klusterkit.plans.host import BIN, Prepared
from klusterkit.plans.request import Target
from klusterkit.plans.shared import install, open_tree, service, text_file, tree, unit
from klusterkit.tasks.kubelet import STATIC_PODS, Pods

RESOLVED_UNIT = "systemd-resolved.service"


@dataclass(frozen=True)
class Kubelet:
    """A kubelet that is ready to be started."""

    needs: tuple[str, ...]
    """All tasks that must be done before it starts."""
    kubernetes: str
    """The folder /etc/kubernetes."""
    pki: str
    """The folder of certificates below it."""
    manifests: str
    """The folder of static pods below it."""
    configuration: str
    """The content of its configuration."""


def kubelet_files(target: Target, prepared: Prepared) -> Kubelet:
    """Everything of a kubelet but its start."""
    add, facts, preflight = target.tasks.add, target.facts, prepared.preflight
    data = add("kubelet/data", tree("/var/lib/kubelet", 0o700), preflight)
    program = install(target, "kubelet/program", "kubelet", f"{BIN}/kubelet", preflight)
    certificates = node_certificates(target, preflight, data)
    kubernetes = f"{target.machine.name}/kubernetes/folder"
    manifests = add("kubelet/manifests", open_tree(STATIC_PODS), kubernetes)
    text = kubelet.configuration(
        target.cluster.dns_domain,
        str(target.cluster.dns_service_ip),
        cgroup=facts.cgroup,
        memory=facts.memory,
        cpus=facts.cpus,
        control_plane=target.machine.is_master,
        resolved=RESOLVED_UNIT in facts.services,
    )
    taints = tuple(str(taint) for taint in target.taints)
    flags = kubelet.flags(target.node, target.address, target.machine.labels, taints)
    own = units.kubelet(can_lower_oom_score=facts.can_lower_oom_score)
    needs = (
        program,
        *certificates,
        manifests,
        add("kubelet/configuration", text_file(kubelet.PATH, text), data),
        add("kubelet/flags", text_file(kubelet.FLAGS_PATH, flags), data),
        add("kubelet/unit", unit("kubelet.service", own), preflight, cost=0.2),
    )
    return Kubelet(needs, kubernetes, f"{target.machine.name}/pki/folder", manifests, text)


def start_kubelet(
    target: Target,
    prepared: Prepared,
    ready: Kubelet,
    images: Needs,
    *needs: Needs,
    registered: Needs = (),
    after: Needs = (),
) -> str:
    """Start it, when every image is there that it starts pods from: it may have nowhere to pull one from.

    ``registered``: tasks whose undo takes the node out of the cluster, which has to wait until its pods are ended.
    ``after``: tasks that have to be over before, however they ended.
    """
    add = target.tasks.add
    # Whatever pods use stays until they are ended. An address that a live pod has would be given again; an API server
    # that outlives its etcd would show, from its memory, what the next one has never had.
    uses = (prepared.containerd, prepared.network, prepared.plugins, images, ready.needs, *needs)
    pods = add("kubelet/pods", _PODS, *uses, registered)
    return add("kubelet/start", service("kubelet.service", ready.configuration), pods, cost=0.6, after=after)


_PODS = Pods()
