"""kubeadm's configuration file: what its phases read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from klusterkit.cluster import API_PORT, Cluster, Machine, Taint
from klusterkit.engine.facts import Facts
from klusterkit.engine.yamltext import document, documents
from klusterkit.plans.files import etcd, kubelet

CERTIFICATES = "/etc/kubernetes/pki"
PATCHES = "/etc/kubernetes/patches"
DNS_PATCH_PATH = f"{PATCHES}/corednsdeployment+json.json"
"""Named as kubeadm wants patches to be ("Customizing components with the kubeadm API", Kubernetes docs)."""
PROXY_API = "kubeproxy.config.k8s.io/v1alpha1"


@dataclass(frozen=True)
class Configuration:
    """What a control-plane host's file says. All masters' files agree but for the first document."""

    cluster: Cluster
    machine: Machine
    node: str
    facts: Facts
    endpoint: str
    """``host:port`` by which clients reach the API."""
    taints: Sequence[Taint]
    port: int = API_PORT

    def text(self) -> str:
        """The file's content."""
        return documents([self._init(), self._cluster(), self._kubelet(), self._proxy()])

    @property
    def _api(self) -> str:
        return f"kubeadm.k8s.io/{self.cluster.release.kubeadm_api}"

    def _init(self) -> Mapping[str, Any]:
        return {
            "apiVersion": self._api,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": str(self.machine.address), "bindPort": self.port},
            "patches": {"directory": PATCHES},
            "nodeRegistration": {
                "name": self.node,
                "criSocket": kubelet.SOCKET,
                "imagePullPolicy": "IfNotPresent",
                "taints": [taint.model_dump(exclude_defaults=True) for taint in self.taints],
            },
        }

    def _cluster(self) -> Mapping[str, Any]:
        return {
            "apiVersion": self._api,
            "kind": "ClusterConfiguration",
            "clusterName": self.cluster.name,
            "kubernetesVersion": self.cluster.kubernetes_version.tag,
            "controlPlaneEndpoint": self.endpoint,
            "certificatesDir": CERTIFICATES,
            "networking": {
                "podSubnet": str(self.cluster.pod_network),
                "serviceSubnet": str(self.cluster.service_network),
                "dnsDomain": self.cluster.dns_domain,
            },
            "etcd": {"external": self._etcd()},
            "apiServer": {
                # Kubelets serve with certificates of ours, so the API server needn't take any that comes.
                "extraArgs": [{"name": "kubelet-certificate-authority", "value": f"{CERTIFICATES}/ca.crt"}],
            },
            # Each of its controllers has an account of its own: with the default of 20 requests a second it takes the
            # controller manager of a new cluster some seconds only to make them.
            "controllerManager": {
                "extraArgs": [{"name": "kube-api-qps", "value": "100"}, {"name": "kube-api-burst", "value": "200"}]
            },
        }

    def _etcd(self) -> Mapping[str, Any]:
        return {
            # The member beside it, as with kubeadm's own etcd: members come and go without other API servers noticing,
            # and all masters have the same text.
            "endpoints": [etcd.client_url("127.0.0.1")],
            "caFile": f"{CERTIFICATES}/etcd/ca.crt",
            "certFile": f"{CERTIFICATES}/apiserver-etcd-client.crt",
            "keyFile": f"{CERTIFICATES}/apiserver-etcd-client.key",
        }

    def _kubelet(self) -> Mapping[str, Any]:
        return kubelet.common(self.cluster.dns_domain, str(self.cluster.dns_service_ip), self.facts.cgroup)

    def _proxy(self) -> Mapping[str, Any]:
        # 0 leaves the limits as they are: where they can't be written, kube-proxy would stop at the attempt.
        limits = {} if self.facts.can_write_conntrack_limits else {"conntrack": {"maxPerCore": 0, "min": 0}}
        return {
            "apiVersion": PROXY_API,
            "kind": "KubeProxyConfiguration",
            # A node port on loopback needs packets from elsewhere let into 127.0.0.0/8 (CVE-2020-8558).
            "iptables": {"localhostNodePorts": False},
            **limits,
        }


def dns_patch(taint: Taint) -> str:
    """What kubeadm's deployment of CoreDNS tolerates, too: the taint that masters have here by default.

    kubeadm's own masters have the same with NoSchedule, which it tolerates. To be apart weighs less than a taint, for
    the scheduler: of a master and a worker, the worker would get both pods.
    """
    toleration = taint.model_dump(exclude_defaults=True)
    return json.dumps([{"op": "add", "path": "/spec/template/spec/tolerations/-", "value": toleration}]) + "\n"


def nobody(server: str, cluster: str) -> str:
    """A kubeconfig without a user, for the place of super-admin.conf.

    kubeadm's phases insist on such a file when they don't have the authority's key, and look only at its cluster
    (``ValidateKubeconfigsForExternalCA``). What it usually holds is a key above RBAC that nothing can revoke.
    """
    note = "# kubeadm wants to see this file. It gives nobody access: there is no key above RBAC on this host.\n"
    return note + document(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": cluster, "cluster": {"certificate-authority": f"{CERTIFICATES}/ca.crt", "server": server}}
            ],
            "contexts": [{"name": f"nobody@{cluster}", "context": {"cluster": cluster, "user": "nobody"}}],
            "current-context": f"nobody@{cluster}",
        }
    )
