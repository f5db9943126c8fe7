"""A cluster and its machines as they are when a plan is done: for the state, and for those that join by hand."""

from __future__ import annotations

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.yamltext import documents
from klusterkit.plans.request import CreateRequest, Target, endpoint_of, interface_of
from klusterkit.plans.shared import text_file

PATH = "/etc/kubernetes/cluster.yaml"
"""On a master that was made by hand: its cluster and itself, as Cluster API objects."""


def cluster_of(request: CreateRequest) -> Cluster:
    """The cluster, with the endpoint that its clients use."""
    return request.cluster.replace(endpoint=endpoint_of(request))


def machine_of(target: Target) -> Machine:
    """The machine, with its node and its version."""
    shares = target.cluster.vip is not None and target.machine.is_master
    return target.machine.replace(
        node_name=target.node,
        version=target.cluster.kubernetes_version,
        interface=interface_of(target.machine, target.facts) if shares else None,
    )


def describe(target: Target, folder: str) -> None:
    """Keep it on a master that nobody keeps a state of: whoever joins asks there."""
    if target.request.by_hand:
        text = documents([cluster_of(target.request).to_object(), machine_of(target).to_object()])
        target.tasks.add("kubernetes/description", text_file(PATH, text, 0o600), folder)
