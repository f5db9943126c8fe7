"""What ``nodeadm init`` and ``join`` are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli.machine import Label, Taint, label
from klusterkit.cli.tools.options import BindAddress

if TYPE_CHECKING:
    from klusterkit.session.host.nodeconfig import Configured


@dataclass(frozen=True)
class NodeOptions:
    """The host as a node. What isn't said is in the configuration file, or has its default."""

    cfg: Annotated[
        Path | None, typer.Option("--cfg", metavar="FILE", help="The original's configuration; options come before it")
    ] = None
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the node [the host's]")] = None
    bind_address: BindAddress = None
    label: Label = None
    taint: Taint = None
    iface: Annotated[
        str | None, typer.Option("--iface", metavar="NAME", help="Of a master's virtual address [that of its own]")
    ] = None

    def configuration(self, command: str) -> Configured:
        """What the file of ``init`` or ``join`` says; nothing where there is none."""
        from klusterkit.session.host.nodeconfig import Configured, read_configuration

        return read_configuration(self.cfg.expanduser(), command) if self.cfg else Configured()

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request that were said."""
        given: dict[str, Any] = {
            "name": self.name,
            "address": self.bind_address,
            "labels": dict(label(text) for text in self.label or ()),
            "taints": tuple(self.taint or ()),
            "interface": self.iface,
        }
        return {name: value for name, value in given.items() if value}
