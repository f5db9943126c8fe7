"""Take machines out of the cluster, and make their hosts what they were.

Their pods go elsewhere first, as PodDisruptionBudgets allow; a master's vote in etcd goes before anything of it is
stopped. A machine that is gone for good is taken out of what stays: --gone. It is planned first, and asked about.
"""

from __future__ import annotations

from klusterkit.cli.deletion import Draining, EndOptions, LeavingMachines, delete
from klusterkit.cli.options import Common


def run(machines: LeavingMachines, draining: Draining, end: EndOptions, common: Common) -> int:
    """Plan, ask, apply."""
    return delete(common, "delete machine", machines, draining, end)
