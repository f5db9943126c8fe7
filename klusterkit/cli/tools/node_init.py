"""Make a control plane on this host, the first of a new cluster, beside the etcd that is there (`etcdadm init`).

Authorities (ca, front-proxy-ca, and sa for service accounts) that are in /etc/kubernetes/pki are used, else made there.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.tools.node import ClusterOptions, NodeOptions
from klusterkit.cli.tools.options import Looking, OnHost, plan_and_do


def run(
    cluster: ClusterOptions,
    node: NodeOptions,
    looking: Looking,
    common: OnHost,
    iface: Annotated[
        str | None, typer.Option("--iface", metavar="NAME", help="Of the virtual address [that of the host's own]")
    ] = None,
) -> int:
    """Plan, ask, apply."""
    given = node.configuration("init")
    wanted: dict[str, Any] = {
        "master": None,
        "role": "master",
        "cluster": {**NETWORKS, **given.cluster, **cluster.wanted()},
        "node": {**given.node, **node.wanted(), **({"interface": iface} if iface else {})},
    }
    code = plan_and_do(common, looking, "nodeadm init", lambda session, told: session.plan_node(told, **wanted))
    if code == ExitCode.DONE and not (looking.dry_run or looking.diff):
        typer.echo(_NEXT, err=True)
    return code


NETWORKS = {"pod_network": "10.2.0.0/16", "service_network": "10.1.0.0/16"}
_NEXT = """\
kubectl --kubeconfig=/etc/kubernetes/admin.conf get nodes
To add a node, on its host: nodeadm join ADDRESS-OF-THIS-HOST"""
