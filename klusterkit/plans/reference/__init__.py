"""Reference plans: what each operation does to a reference cluster, as files for readers and for a test to compare.

``python -m klusterkit.plans.reference FOLDER`` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

from klusterkit.plans.reference.host import (
    etcdadm_init,
    etcdadm_join,
    etcdadm_reset,
    member_request,
    nodeadm_init,
    nodeadm_join,
    nodeadm_reset,
)
from klusterkit.plans.reference.inputs import (
    CLUSTER,
    FACTS,
    HIGHLY_AVAILABLE,
    LINEAGE,
    MACHINE,
    PRIVATE,
    artifacts,
    facts_of,
    master,
    records,
    worker,
)
from klusterkit.plans.reference.machines import (
    bundle_push,
    create_one_master,
    create_three_masters_two_workers,
    delete_a_gone_master,
    delete_a_master,
    delete_a_worker,
    delete_cluster,
    join_two_masters_one_worker,
    update_registry,
)
from klusterkit.plans.reference.workloads import DEPLOYED, apply_objects, deploy

__all__ = [
    "CLUSTER",
    "DEPLOYED",
    "FACTS",
    "HIGHLY_AVAILABLE",
    "LINEAGE",
    "MACHINE",
    "PLANS",
    "PRIVATE",
    "artifacts",
    "create_one_master",
    "create_three_masters_two_workers",
    "facts_of",
    "master",
    "member_request",
    "records",
    "worker",
    "write",
]

PLANS = {
    "create-one-master": create_one_master,
    "create-three-masters-two-workers": create_three_masters_two_workers,
    "join-two-masters-one-worker": join_two_masters_one_worker,
    "delete-a-worker": delete_a_worker,
    "delete-a-master": delete_a_master,
    "delete-a-gone-master": delete_a_gone_master,
    "delete-cluster": delete_cluster,
    "bundle-push": bundle_push,
    "apply-objects": apply_objects,
    "deploy": deploy,
    "update-registry": update_registry,
    "etcdadm-init": etcdadm_init,
    "etcdadm-join": etcdadm_join,
    "etcdadm-reset": etcdadm_reset,
    "nodeadm-init": nodeadm_init,
    "nodeadm-join": nodeadm_join,
    "nodeadm-reset": nodeadm_reset,
}


def write(folder: Path) -> None:
    """Write all of them into a folder."""
    for name, compiled in PLANS.items():
        (folder / f"{name}.yaml").write_text(compiled().to_yaml())
