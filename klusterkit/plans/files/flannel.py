"""flannel (vxlan) from a manifest of our own: pod network, one subnet a node, the host's address on both ends.

The CNI project's own plugins are unpacked on the hosts; flannel's comes with the pod, as in flannel's own manifest.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from klusterkit.engine.yamltext import documents

NAMESPACE = "kube-flannel"
NAME = "kube-flannel"
LABELS = {"app": "flannel", "k8s-app": "flannel"}

_ANNOUNCE = """\
tries=0
until [ -s /run/flannel/subnet.env ]; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || exit 1
  busybox sleep 0.2
done
exec cp -f /etc/kube-flannel/cni-conf.json /etc/cni/net.d/10-flannel.conflist
"""
"""Tells the kubelet about the network, by the file that it waits for, when the node has its subnet. flannel's own
manifest does so before flanneld starts: the node says Ready too early, the first pods fail and wait for ten seconds.
"""


@lru_cache(maxsize=16)
def manifest(pod_network: str, image: str, plugin_image: str, api_host: str, api_port: int) -> str:
    """All objects, in the order in which they need each other.

    Args:
        pod_network: in CIDR notation.
        image: full name of flannel's image.
        plugin_image: full name of the image with its CNI plugin.
        api_host: where the API is. By its Service flannel would have to wait for kube-proxy, and takes half a minute to
            try again if it comes too early.
        api_port: likewise.
    """
    rights = (_account(), _role(), _binding())
    daemon = _daemon(image, plugin_image, (api_host, api_port))
    return documents([_namespace(), *rights, _configuration(pod_network), daemon])


def _head(version: str, kind: str, name: str, *, namespaced: bool = True) -> dict[str, Any]:
    where = {"namespace": NAMESPACE} if namespaced else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where, "labels": dict(LABELS)}}


def _namespace() -> dict[str, Any]:
    namespace = _head("v1", "Namespace", NAMESPACE, namespaced=False)
    namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"
    return namespace


def _account() -> dict[str, Any]:
    return _head("v1", "ServiceAccount", "flannel")


def _role() -> dict[str, Any]:
    return {
        **_head("rbac.authorization.k8s.io/v1", "ClusterRole", "flannel", namespaced=False),
        "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
        ],
    }


def _binding() -> dict[str, Any]:
    return {
        **_head("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "flannel", namespaced=False),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "flannel"},
        "subjects": [{"kind": "ServiceAccount", "name": "flannel", "namespace": NAMESPACE}],
    }


def _configuration(pod_network: str) -> dict[str, Any]:
    delegate = {"hairpinMode": True, "isDefaultGateway": True}
    plugins = [
        {"type": "flannel", "delegate": delegate},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    cni = {"name": "cbr0", "cniVersion": "1.0.0", "plugins": plugins}
    version_6 = {"EnableIPv4": False, "EnableIPv6": True, "IPv6Network": pod_network}
    family = version_6 if ":" in pod_network else {"Network": pod_network}
    net = {**family, "Backend": {"Type": "vxlan"}}
    data = {"cni-conf.json": json.dumps(cni, indent=2), "net-conf.json": json.dumps(net, indent=2)}
    return {**_head("v1", "ConfigMap", "kube-flannel-cfg"), "data": data}


def _daemon(image: str, plugin_image: str, api: tuple[str, int]) -> dict[str, Any]:
    pod = {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "serviceAccountName": "flannel",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "initContainers": [_plugin(plugin_image)],
        "containers": [_flanneld(image, api)],
        "volumes": [
            {"name": "run", "hostPath": {"path": "/run/flannel", "type": "DirectoryOrCreate"}},
            {"name": "plugins", "hostPath": {"path": "/opt/cni/bin", "type": "DirectoryOrCreate"}},
            {"name": "cni", "hostPath": {"path": "/etc/cni/net.d", "type": "DirectoryOrCreate"}},
            {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}},
            {"name": "configuration", "configMap": {"name": "kube-flannel-cfg"}},
        ],
    }
    return {
        **_head("apps/v1", "DaemonSet", "kube-flannel-ds"),
        "spec": {
            "selector": {"matchLabels": {"app": "flannel"}},
            "template": {"metadata": {"labels": dict(LABELS)}, "spec": pod},
        },
    }


def _plugin(image: str) -> dict[str, Any]:
    return {
        "name": "install-cni-plugin",
        "image": image,
        "command": ["cp", "-f", "/flannel", "/opt/cni/bin/flannel"],
        "volumeMounts": [_mount("plugins", "/opt/cni/bin")],
    }


def _flanneld(image: str, api: tuple[str, int]) -> dict[str, Any]:
    return {
        "name": "kube-flannel",
        "image": image,
        # By the node's own address: the interface with the default route may be another.
        "command": ["/opt/bin/flanneld", "--ip-masq", "--kube-subnet-mgr", "--iface=$(NODE_ADDRESS)"],
        "env": [
            _field("POD_NAME", "metadata.name"),
            _field("POD_NAMESPACE", "metadata.namespace"),
            _field("NODE_ADDRESS", "status.hostIP"),
            {"name": "KUBERNETES_SERVICE_HOST", "value": api[0]},
            {"name": "KUBERNETES_SERVICE_PORT", "value": str(api[1])},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
        "lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", _ANNOUNCE]}}},
        "securityContext": {"privileged": False, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
        "volumeMounts": [
            _mount("run", "/run/flannel"),
            _mount("configuration", "/etc/kube-flannel"),
            _mount("cni", "/etc/cni/net.d"),
            _mount("xtables-lock", "/run/xtables.lock"),
        ],
    }


def _field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _mount(name: str, path: str) -> dict[str, str]:
    return {"name": name, "mountPath": path}
