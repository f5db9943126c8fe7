"""Make a control plane on this host, the first of a new cluster, beside the etcd that is there (`etcdadm init`).

Authorities (ca, front-proxy-ca, and sa for service accounts) that are in /etc/kubernetes/pki are used, else made there.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from klusterkit.cli.cluster import ClusterOptions
from klusterkit.cli.tools.node import NodeOptions
from klusterkit.cli.tools.options import Looking, OnHost, plan_and_do


def run(
    cluster: ClusterOptions,
    node: NodeOptions,
    looking: Looking,
    common: OnHost,
    cluster_name: Annotated[
        str | None, typer.Option("--cluster-name", metavar="NAME", help="Of the cluster [cctl-cluster]")
    ] = None,
) -> int:
    """Plan, ask, apply."""
    given, name = node.configuration("init"), {} if cluster_name is None else {"name": cluster_name}
    wanted: dict[str, Any] = {
        "master": None,
        "role": "master",
        "cluster": {**given.cluster, **cluster.wanted(), **name},
        "node": {**given.node, **node.wanted()},
    }
    return plan_and_do(common, looking, "nodeadm init", lambda session, told: session.plan_node(told, **wanted), _NEXT)


_NEXT = """\
kubectl --kubeconfig=/etc/kubernetes/admin.conf get nodes
To add a node, on its host: nodeadm join ADDRESS-OF-THIS-HOST"""
