"""Take back the run in progress: the host becomes what it was.

What a task changed is put back from what was kept on the host; the last is undone first.
"""

from __future__ import annotations

from klusterkit.cli.commands.rollback import go_back
from klusterkit.cli.tools.options import OnHost


def run(common: OnHost) -> int:
    """Ask, go back."""
    with common.session(write="rollback") as session:
        return go_back(session, common)
