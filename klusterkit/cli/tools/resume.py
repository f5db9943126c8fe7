"""Go on with the run that was interrupted or failed on this host.

Each task begins where it was left. What only you can know is asked, and answered with --adopt, --retry or --skip.
"""

from __future__ import annotations

from klusterkit.cli.commands.resume import Adopt, Retry, Skip, decisions, go_on
from klusterkit.cli.tools.options import OnHost


def run(common: OnHost, adopt: Adopt = None, retry: Retry = None, skip: Skip = None) -> int:
    """Go on."""
    answers = decisions(adopt, retry, skip)
    with common.session(write="resume") as session:
        return go_on(session, common, answers)
