"""A host's cable: unplugged, plugged in, slow or lossy, by `tc` on the machine's end of it."""

from __future__ import annotations

from kklab import command
from kklab.errors import LabError


def plug(link: str, *, up: bool) -> None:
    """Plug the cable in or pull it."""
    command.run(["ip", "link", "set", link, "up" if up else "down"])


def shape(link: str, *, delay_ms: float, loss_percent: float) -> None:
    """Make every packet late, or lose some, in each direction."""
