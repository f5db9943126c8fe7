"""End the cluster: make all its hosts what they were, and forget it.

The credential, the hosts' keys and the history stay in the state file; the cluster's authorities go. What etcd held,
all Secrets included, is set aside on the masters and never removed: at the end it is told where, and how to remove it.
It is planned first, and asked about.
"""

from __future__ import annotations

from klusterkit.cli.deletion import EndOptions, delete
from klusterkit.cli.options import Common


def run(end: EndOptions, common: Common) -> int:
    """Plan, ask, apply."""
    return delete(common, "delete cluster", end)
