"""What ``nodeadm init`` and ``join`` are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli.machine import label

if TYPE_CHECKING:
    from klusterkit.session.nodeconfig import Configured


@dataclass(frozen=True)
class NodeOptions:
    """The host as a node. What isn't said is in the configuration file, or has its default."""

    cfg: Annotated[
        Path | None, typer.Option("--cfg", metavar="FILE", help="The original's configuration; options come before it")
    ] = None
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the node [the host's]")] = None
    bind_address: Annotated[
        str | None,
        typer.Option("--bind-address", metavar="ADDRESS", help="Where it is reached [that of the default route]"),
    ] = None
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Of the node; several: once each")
    ] = None
    taint: Annotated[
        list[str] | None, typer.Option("--taint", metavar="KEY[=VALUE]:EFFECT", help="Of the node; several: once each")
    ] = None

    def configuration(self, command: str) -> Configured:
        """What the file of ``init`` or ``join`` says; nothing where there is none."""
        from klusterkit.session.nodeconfig import Configured, read_configuration

        return read_configuration(self.cfg.expanduser(), command) if self.cfg else Configured()

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request that were said."""
        given: dict[str, Any] = {
            "name": self.name,
            "address": self.bind_address,
            "labels": dict(label(text) for text in self.label or ()),
            "taints": tuple(self.taint or ()),
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class ClusterOptions:
    """A new cluster, as ``cctl create cluster`` describes one."""

    pod_network: Annotated[
        str | None, typer.Option("--pod-network", metavar="CIDR", help="Where pods get addresses from [10.2.0.0/16]")
    ] = None
    service_network: Annotated[
        str | None, typer.Option("--service-network", metavar="CIDR", help="Where services get theirs [10.1.0.0/16]")
    ] = None
    kubernetes_version: Annotated[
        str | None, typer.Option("--kubernetes-version", metavar="VERSION", help="[the latest that is known]")
    ] = None
    cni: Annotated[
        str | None, typer.Option("--cni", metavar="flannel|none|FILE", help="Network of the pods [flannel]")
    ] = None
    vip: Annotated[
        str | None, typer.Option("--vip", metavar="ADDRESS", help="That masters share; else there can be one only")
    ] = None
    router_id: Annotated[
        int | None, typer.Option("--router-id", metavar="N", help="1 to 255, of the virtual address")
    ] = None
    dns_domain: Annotated[
        str | None, typer.Option("--dns-domain", metavar="DOMAIN", help="Of services [cluster.local]")
    ] = None
    cluster_name: Annotated[
        str | None, typer.Option("--cluster-name", metavar="NAME", help="Of the cluster [cctl-cluster]")
    ] = None

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request that were said."""
        if (self.vip is None) != (self.router_id is None):
            raise typer.BadParameter("--vip and --router-id go together: give both, or neither")
        given: dict[str, Any] = {
            "pod_network": self.pod_network,
            "service_network": self.service_network,
            "kubernetes_version": self.kubernetes_version,
            "cni": self.cni,
            "vip": self.vip and {"address": self.vip, "router_id": self.router_id},
            "dns_domain": self.dns_domain,
            "name": self.cluster_name,
        }
        return {name: value for name, value in given.items() if value is not None}
