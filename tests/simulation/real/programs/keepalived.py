"""keepalived: its files come from an image, and it goes by the configuration that it has read."""

from __future__ import annotations

import re

from klusterkit.plans.files import keepalived
from klusterkit.plans.vip import ROOT
from tests.simulation.real.programs.program import Program

UNIT = "keepalived.service"
PROGRAM = "/usr/local/sbin/keepalived"
READ = "/run/keepalived.conf"
"""Of the model: the configuration that the process has read."""


class Keepalived(Program):
    """The one of a host."""

    def start(self) -> bool:
        """As its unit does."""
        if not self.has(f"{ROOT}{PROGRAM}", keepalived.PATH, keepalived.CHECK_PATH, keepalived.HAND_OVER_PATH):
            return False
        self.reload()
        return True

    def reload(self) -> None:
        """Read the configuration."""
        self.tree.write(READ, self.tree.read(keepalived.PATH))

    @property
    def peers(self) -> list[str]:
        """Addresses of those that it hears of."""
        found = re.search(r"unicast_peer \{\n(.*?)\}", self.tree.read(READ).decode(), re.DOTALL)
        return found[1].split() if found else []
