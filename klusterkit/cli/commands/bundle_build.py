"""Put all that clusters need into one file.

It holds the programs, images, units and configurations for hosts of every role, for one or several versions of
Kubernetes. They come from the official sites, or from --mirror or --registry; each is verified by its checksum. What
came before an interruption is kept, and gone on with. With --tools it also brings our own tools to where hosts are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.options import Common, Output
from klusterkit.cli.registry import RegistryOptions

if TYPE_CHECKING:
    from klusterkit.bundle.manifest import Manifest


def run(
    common: Common,
    registry: RegistryOptions,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The bundle")],
    kubernetes_version: Annotated[
        list[str] | None,
        typer.Option("--kubernetes-version", metavar="VERSION", help="Such as 1.36.3; several: once each [the latest]"),
    ] = None,
    architecture: Annotated[str, typer.Option("--architecture", metavar="NAME", help="amd64 or arm64")] = "amd64",
    tools: Annotated[
        Path | None, typer.Option("--tools", metavar="FILE", help="cctl, etcdadm and nodeadm for hosts, by `make dist`")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Sign it with this key")] = None,
) -> None:
    """Build it."""
    from klusterkit.cli.terminal import signing_passphrase_question
    from klusterkit.outfile import is_standard_output
    from klusterkit.report.bundleview import Arrivals
    from klusterkit.report.screen import aside
    from klusterkit.session.supply.bundles import build_bundle, load_signing_key

    form = common.show_as(Output.JSON, Output.YAML)
    settings = common.settings().model_copy(update={"registry": registry.access})
    signing = load_signing_key(key, signing_passphrase_question()) if key else None
    arrivals = Arrivals(aside(color=common.color))
    manifest = build_bundle(
        settings,
        kubernetes_version or (),
        out,
        architecture=architecture,
        tools=tools,
        key=signing,
        tell=arrivals.tell,
    )
    _show(manifest, form, common, beside=is_standard_output(out))
    if not tools:
        typer.echo("our own tools for hosts aren't in it: `make dist` makes them, --tools FILE puts them in", err=True)
    if not key:
        typer.echo(f"next: cctl bundle sign {out} --key FILE", err=True)


def _show(manifest: Manifest, form: Output, common: Common, *, beside: bool) -> None:
    """What is in it; beside the bundle itself, where that goes to standard output."""
    from klusterkit.cli.structured import write
    from klusterkit.report.bundleview import summary
    from klusterkit.report.screen import aside, output

    if form is Output.TEXT:
        summary((aside if beside else output)(color=common.color), manifest, sum(manifest.blobs.values()))
    elif not beside:
        write(manifest.model_dump(mode="json", by_alias=True), form)
