"""Objects in the cluster's API that are there because KlusterKit's own plans make them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import yaml

from klusterkit.cluster import Cluster
from klusterkit.cluster.artifacts import flannel_images
from klusterkit.plans.control_plane import UPLOADED
from klusterkit.plans.files import flannel
from klusterkit.plans.network import DNS, KUBELET_ACCESS, PROXY
from klusterkit.tasks.access import BINDING

Owned = tuple[str, str, str]
"""Kind in lower case, namespace (none for an object of the whole cluster), name."""

_OF_ALL = ("clusterrole", "clusterrolebinding")


def owned(cluster: Cluster) -> frozenset[Owned]:
    """What the control plane, Services, DNS and the pod network consist of."""
    return frozenset((*_by_kubeadm(), *_by_manifests(cluster)))


def _by_kubeadm() -> Iterator[Owned]:
    for word in (*PROXY, *DNS, *UPLOADED, f"clusterrolebinding/{BINDING}"):
        kind, _, name = word.partition("/")
        yield kind, "" if kind in _OF_ALL else "kube-system", name


def _by_manifests(cluster: Cluster) -> Iterator[Owned]:
    found = [*yaml.safe_load_all(KUBELET_ACCESS), *cluster.cni.objects]
    if cluster.cni.kind == "flannel":
        # Only the names count here, and they are the same wherever the API is.
        image, plugin = flannel_images(cluster.release)
        found += yaml.safe_load_all(flannel.manifest(str(cluster.pod_network), image, plugin, "", 0))
    for item in found:
        metadata: Any = item.get("metadata")
        if isinstance(metadata, dict) and "name" in metadata:  # of an operator's own, only kubectl sees to that
            named = cast(dict[str, Any], metadata)
            yield item["kind"].lower(), str(named.get("namespace") or ""), str(named["name"])
