"""What ``bundle push`` and its plan are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class Push:
    """A bundle, and the machines that it is brought to."""

    file: Annotated[Path | None, typer.Argument(metavar="BUNDLE", show_default=False)] = None
    ip: Annotated[
        list[str] | None, typer.Option("--ip", metavar="ADDRESS", help="Address of a machine; several: once each")
    ] = None
    no_peers: Annotated[
        bool, typer.Option("--no-peers", help="Send everything from here: machines serve each other nothing")
    ] = False
    port: Annotated[int, typer.Option("--port", min=1, max=65535, metavar="PORT", help="Of sshd")] = 22

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        addresses = tuple(self.ip or ())
        return {"bundle": self.file, "addresses": addresses, "port": self.port, "share": not self.no_peers}
