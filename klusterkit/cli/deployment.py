"""What ``deploy`` and its plan are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from klusterkit.cli.durations import seconds
from klusterkit.cli.textfile import text_of


@dataclass(frozen=True)
class Deployment:
    """Manifests, and how they are deployed."""

    file: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", metavar="FILE", help="Manifests, YAML or JSON; several: once each; - is stdin"),
    ] = None
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAME", help="Of objects that say none", show_default=True)
    ] = "default"
    force_conflicts: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over fields that somebody else manages")
    ] = False
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Don't wait until all of it is ready")] = False
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="For each object to get ready", show_default=True)
    ] = "5m"

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        if not self.file:
            raise typer.BadParameter("name the manifests: --file FILE")
        within = seconds("--timeout", self.timeout)
        if not within:
            raise typer.BadParameter("--timeout 0: to wait for nothing is --no-wait")
        return {
            "sources": tuple((str(file), text_of(file)) for file in self.file),
            "namespace": self.namespace,
            "force": self.force_conflicts,
            "within": None if self.no_wait else within,
        }
