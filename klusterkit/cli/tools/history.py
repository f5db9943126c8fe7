"""List the runs on this host that have ended, and how.

With --timing, show how long each task of the last one took, the longest first.
"""

from __future__ import annotations

from klusterkit.cli.commands.history import Name, Timing, tell
from klusterkit.cli.tools.options import OnHost


def run(common: OnHost, timing: Timing = False, name: Name = None) -> None:
    """Read, show."""
    with common.session() as session:
        found = session.history
    tell(common, found, timing=timing, name=name)
