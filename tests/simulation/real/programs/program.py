"""What the programs of a simulated machine have in common."""

from __future__ import annotations

import json
import posixpath
from typing import Any

from klusterkit.hosts.simulated import Machine, Tree


class Program:
    """A program of a machine.

    All that it knows is in the machine's files; so it is as good after a power cut, or restored, as it was.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    @property
    def tree(self) -> Tree:
        """The machine's files."""
        return self.machine.tree

    def has(self, *paths: str) -> bool:
        """Whether all of these are there."""
        return all(self.tree.find(path) is not None for path in paths)

    def runs(self, unit: str) -> bool:
        """Whether a unit is active."""
        return f"{unit}.service" in self.machine.systemd.active

    def load(self, path: str) -> dict[str, Any]:
        """What was kept in a file."""
        return json.loads(self.tree.read(path)) if self.has(path) else {}

    def keep(self, path: str, content: dict[str, Any]) -> None:
        """Keep something in a file."""
        self.tree.makedirs(posixpath.dirname(path))
        self.tree.write(path, json.dumps(content, sort_keys=True), 0o600)
