"""What a new cluster is asked for, by ``cctl create cluster`` and by ``nodeadm init``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from klusterkit.cli.options import said


@dataclass(frozen=True)
class ClusterOptions:
    """A cluster. What isn't said has its default."""

    pod_network: Annotated[
        str | None, typer.Option("--pod-network", metavar="CIDR", help="Where pods get addresses from [10.2.0.0/16]")
    ] = None
    service_network: Annotated[
        str | None,
        typer.Option("--service-network", metavar="CIDR", help="Where services get addresses from [10.1.0.0/16]"),
    ] = None
    kubernetes_version: Annotated[
        str | None,
        typer.Option("--kubernetes-version", metavar="VERSION", help="Such as 1.36.3 [the latest that is known]"),
    ] = None
    cni: Annotated[
        str | None,
        typer.Option("--cni", metavar="flannel|none|FILE", help="Network of the pods; FILE is a manifest [flannel]"),
    ] = None
    vip: Annotated[
        str | None,
        typer.Option(
            "--vip", metavar="ADDRESS", help="That masters share; without one the cluster stays at one master"
        ),
    ] = None
    router_id: Annotated[
        int | None,
        typer.Option("--router-id", metavar="N", help="1 to 255, of the virtual address: of no other on its network"),
    ] = None
    dns_domain: Annotated[
        str | None, typer.Option("--dns-domain", metavar="DOMAIN", help="Of services [cluster.local]")
    ] = None

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request that were said. Raises ``typer.BadParameter``."""
        given = said(self)
        vip, router_id = given.pop("vip", None), given.pop("router_id", None)
        if (vip is None) != (router_id is None):
            raise typer.BadParameter("--vip and --router-id go together: give both, or neither")
        return {**given, **({"vip": {"address": vip, "router_id": router_id}} if vip is not None else {})}
