"""The pod network, Services and cluster DNS."""

from __future__ import annotations

from klusterkit.cluster.artifacts import flannel_images
from klusterkit.plans.control_plane import PHASE
from klusterkit.plans.files import dns, flannel
from klusterkit.plans.request import Target, endpoint_of
from klusterkit.tasks.kubeadm import ApiPhase
from klusterkit.tasks.manifest import Apply

PROXY = (
    *("configmap/kube-proxy", "daemonset/kube-proxy", "serviceaccount/kube-proxy"),
    *("role/kube-proxy", "rolebinding/kube-proxy", "clusterrolebinding/kubeadm:node-proxier"),
)
DNS = (
    *("configmap/coredns", "deployment/coredns", "service/kube-dns", "serviceaccount/coredns"),
    *("clusterrole/system:coredns", "clusterrolebinding/system:coredns"),
)

KUBELET_ACCESS = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: kubeadm:apiserver-kubelet-client
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: system:kubelet-api-admin
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: kube-apiserver-kubelet-client
"""
"""What lets the API server reach kubelets for logs and exec. kubeadm makes it in its phase for bootstrap tokens, of
which this cluster has none: nodes get their certificates from here."""


def services(target: Target, access: str, answers: str, images: dict[str, str], data: str) -> list[str]:
    """kube-proxy and CoreDNS, by kubeadm."""
    add = target.tasks.add
    version, release = target.cluster.kubernetes_version, target.cluster.release
    proxy_image = images[f"registry.k8s.io/kube-proxy:{version.tag}"]
    dns_image = images[f"registry.k8s.io/coredns/coredns:{release.coredns}"]
    proxy = ApiPhase(path="addon kube-proxy", objects=PROXY)
    # Everybody's pods ask it, and it may run on any host.
    forward = all(facts.name_servers for facts in target.request.facts.values())
    corefile = Apply(name="coredns", manifest=dns.configuration(target.cluster.dns_domain, forward=forward))
    configured = add("dns/configuration", corefile, access, cost=PHASE, undone_by=data)
    coredns = ApiPhase(path="addon coredns", objects=DNS)
    rights = Apply(name="kubelet-access", manifest=KUBELET_ACCESS)
    return [
        add("services/kube-proxy", proxy, access, answers, proxy_image, cost=PHASE, undone_by=data),
        add("dns/coredns", coredns, configured, dns_image, cost=PHASE, undone_by=data),
        add("api/kubelet-access", rights, access, cost=PHASE, undone_by=data),
    ]


def pod_network(target: Target, access: str, answers: str, images: dict[str, str], data: str) -> list[str]:
    """flannel, the operator's own manifest, or nothing.

    ``answers``: clients reach the API. flannel, and kube-proxy, take their time before they try it again.
    """
    add, cluster = target.tasks.add, target.cluster
    match cluster.cni.kind:
        case "flannel":
            image, plugin = flannel_images(cluster.release)
            at = endpoint_of(target.request)
            text = flannel.manifest(str(cluster.pod_network), image, plugin, at.host, at.port)
            step = Apply(name="flannel", manifest=text)
            needs = (access, answers, images[image], images[plugin])
            return [add("network/flannel", step, *needs, cost=PHASE, undone_by=data)]
        case "manifest":
            step = Apply(name="network", manifest=cluster.cni.text or "")
            return [add("network/manifest", step, access, answers, cost=PHASE, undone_by=data)]
        case "none":
            return []


def later_images(target: Target) -> list[str]:
    """Images of pods that come to a node through the API, most urgent first."""
    version, release = target.cluster.kubernetes_version, target.cluster.release
    network = flannel_images(release) if target.cluster.cni.kind == "flannel" else ()
    return [*network, f"registry.k8s.io/kube-proxy:{version.tag}", f"registry.k8s.io/coredns/coredns:{release.coredns}"]
