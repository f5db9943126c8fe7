"""The control plane: kubeadm's phases one by one, with certificates that are there already."""

from __future__ import annotations

from klusterkit.cluster.artifacts import pause_image
from klusterkit.plans.certificates import control_plane_certificates, kubeconfigs
from klusterkit.plans.etcd import Member
from klusterkit.plans.files import kubeadm as configuration
from klusterkit.plans.host import BIN, Prepared
from klusterkit.plans.node import Kubelet, start_kubelet
from klusterkit.plans.request import CONTROL_PLANE_TAINT, Target, endpoint_of
from klusterkit.plans.shared import directory, import_images, install, text_file
from klusterkit.tasks.access import ClusterAdmins
from klusterkit.tasks.gates import ApiReady
from klusterkit.tasks.kubeadm import CONFIG, ApiPhase, Phase
from klusterkit.tasks.kubelet import STATIC_PODS

PHASE = 0.3
"""Seconds that a phase of kubeadm takes on a host that has other things to do (lab)."""

STATIC = {"apiserver": "kube-apiserver", "controller-manager": "kube-controller-manager", "scheduler": "kube-scheduler"}
"""kubeadm's names of the phases, and the programs'."""

UPLOADED = (
    *("configmap/kubeadm-config", "role/kubeadm:nodes-kubeadm-config", "rolebinding/kubeadm:nodes-kubeadm-config"),
    *("configmap/kubelet-config", "role/kubeadm:kubelet-config", "rolebinding/kubeadm:kubelet-config"),
)


def control_plane(target: Target, prepared: Prepared, member: Member, ready: Kubelet, *registered: str) -> str:
    """From files to an API server that is ready, beside its own member of etcd."""
    add = target.tasks.add
    kubectl = install(target, "kubectl/program", "kubectl", f"{BIN}/kubectl", prepared.preflight)
    manifests = _static_pods(target, prepared, ready)
    version = target.cluster.kubernetes_version.tag
    static = [f"registry.k8s.io/{program}:{version}" for program in STATIC.values()]
    references = [pause_image(target.cluster.release), *static]
    images = import_images(target, references, prepared.preflight, prepared.containerd)
    needs = (manifests, member.healthy)
    started = start_kubelet(target, prepared, ready, images.values(), *needs, registered=registered)
    return add("api/ready", ApiReady(), started, kubectl, cost=6.0, timeout=240.0)


def administrators(target: Target, ready: str, data: str) -> str:
    """The first right in a new cluster, from which all others come."""
    step = ClusterAdmins(server=target.local)
    return target.tasks.add("api/access", step, ready, cost=0.3, undone_by=data)


def upload_configuration(target: Target, access: str, data: str) -> str:
    """kubeadm's configuration, for those who come later."""
    step = ApiPhase(path="upload-config all", objects=UPLOADED)
    return target.tasks.add("api/configuration", step, access, cost=PHASE, undone_by=data)


def mark(target: Target, access: str, objects: str, *needs: str) -> str:
    """The node says that it is of the control plane."""
    label = "node-role.kubernetes.io/control-plane"
    step = ApiPhase(path="mark-control-plane", objects=(f"node/{target.node}",), labels=label)
    return target.tasks.add("api/mark", step, access, *needs, cost=3.0, undone_by=objects)


def _static_pods(target: Target, prepared: Prepared, ready: Kubelet) -> list[str]:
    """Manifests of the three, by kubeadm. It looks at all certificates and kubeconfigs before each."""
    add = target.tasks.add
    program = install(target, "kubeadm/program", "kubeadm", f"{BIN}/kubeadm", prepared.preflight)
    text = configuration.Configuration(
        cluster=target.cluster,
        machine=target.machine,
        node=target.node,
        facts=target.facts,
        endpoint=str(endpoint_of(target.request)),
        taints=target.taints,
    ).text()
    file = add("kubeadm/configuration", text_file(CONFIG, text, 0o600), ready.kubernetes)
    folder = add("kubeadm/patches", directory(configuration.PATCHES), ready.kubernetes)
    dns = text_file(configuration.DNS_PATCH_PATH, configuration.dns_patch(CONTROL_PLANE_TAINT))
    patch = add("kubeadm/patch-coredns", dns, folder)
    secrets = [*control_plane_certificates(target, ready.pki), *kubeconfigs(target, ready.kubernetes)]
    return [
        add(
            f"control-plane/{name}",
            _phase(name, image, target.cluster.kubernetes_version.tag),
            *(program, file, patch, secrets, ready.needs),
            cost=PHASE,
        )
        for name, image in STATIC.items()
    ]


def _phase(name: str, program: str, version: str) -> Phase:
    # The status comes last in the file, so a file that has it is whole.
    said = (f"image: registry.k8s.io/{program}:{version}", "\nstatus: {}\n")
    return Phase(path=f"control-plane {name}", makes=(f"{STATIC_PODS}/{program}.yaml",), holding=said)
