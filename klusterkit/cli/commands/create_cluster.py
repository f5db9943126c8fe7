"""Describe the cluster, and make its certificate authorities.

It changes the state file alone; machines come with `cctl create machine`. With --registry, hosts pull images from
there; otherwise images are brought to them.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from klusterkit.cli.options import Common, Output
from klusterkit.cli.registry import RegistryOptions


def _option(name: str, metavar: str, text: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text, show_default=True)


def run(
    common: Common,
    registry: RegistryOptions,
    pod_network: Annotated[str, _option("--pod-network", "CIDR", "Where pods get addresses from")] = "10.2.0.0/16",
    service_network: Annotated[
        str, _option("--service-network", "CIDR", "Where services get addresses from")
    ] = "10.1.0.0/16",
    kubernetes_version: Annotated[
        str | None, _option("--kubernetes-version", "VERSION", "Such as 1.36.3 [the latest that is known]")
    ] = None,
    cni: Annotated[str, _option("--cni", "flannel|none|FILE", "Network of the pods; FILE is a manifest")] = "flannel",
    vip: Annotated[
        str | None, _option("--vip", "ADDRESS", "That masters share; without one the cluster stays at one master")
    ] = None,
    router_id: Annotated[
        int | None, _option("--router-id", "N", "1 to 255, of the virtual address: of no other group on its network")
    ] = None,
    dns_domain: Annotated[str, _option("--dns-domain", "DOMAIN", "Of services")] = "cluster.local",
    name: Annotated[str, _option("--name", "NAME", "Of the cluster")] = "cctl-cluster",
    bundle_key: Annotated[
        list[str] | None,
        typer.Option("--bundle-key", metavar="KEY", help="Trust bundles signed by this public key; several: once each"),
    ] = None,
) -> None:
    """Make the cluster."""
    from klusterkit.cli.notices import say_notices
    from klusterkit.cli.structured import write
    from klusterkit.session import Session

    form = common.show_as(Output.JSON, Output.YAML, Output.NAME)
    if (vip is None) != (router_id is None):
        raise typer.BadParameter("--vip and --router-id go together: give both, or neither")
    with Session.open(common.settings(), write="create cluster", create=True) as session:
        say_notices(session, common)
        cluster = session.create_cluster(
            pod_network=pod_network,
            service_network=service_network,
            kubernetes_version=kubernetes_version,
            cni=cni,
            dns_domain=dns_domain,
            vip=vip and {"address": vip, "router_id": router_id},
            name=name,
            bundle_keys=tuple(bundle_key or ()),
            registry=registry.access,
        )
    if form is Output.TEXT:
        networks = f"pods in {cluster.pod_network}, services in {cluster.service_network}"
        networks += f", API at {cluster.endpoint}" if cluster.vip else ""
        typer.echo(f"made the cluster {cluster.name}: Kubernetes {cluster.kubernetes_version}, {networks}")
    elif form is Output.NAME:
        typer.echo(f"cluster/{cluster.name}")
    else:
        write(cluster.to_object(), form)
