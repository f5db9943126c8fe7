"""Describe the cluster, and make its certificate authorities.

It changes the state file alone; machines come with `cctl create machine`. With --registry, hosts pull images from
there; otherwise images are brought to them.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from klusterkit.cli.cluster import ClusterOptions
from klusterkit.cli.options import Common, Output
from klusterkit.cli.registry import RegistryOptions


def run(
    common: Common,
    cluster: ClusterOptions,
    registry: RegistryOptions,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the cluster [cctl-cluster]")] = None,
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
    wanted = {**cluster.wanted(), "name": name, "bundle_keys": tuple(bundle_key or ()), "registry": registry.access}
    check = partial(Session.check_cluster, **wanted)
    with Session.open(common.settings(), write="create cluster", create=True, first=check) as session:
        say_notices(session, common)
        made = session.create_cluster(**wanted)
    if form is Output.TEXT:
        networks = f"pods in {made.pod_network}, services in {made.service_network}"
        networks += f", API at {made.endpoint}" if made.vip else ""
        typer.echo(f"made the cluster {made.name}: Kubernetes {made.kubernetes_version}, {networks}")
    elif form is Output.NAME:
        typer.echo(f"cluster/{made.name}")
    else:
        write(made.to_object(), form)
