"""The first right in a new cluster: that of kubeadm's administrators."""

from __future__ import annotations

from typing import ClassVar

from klusterkit import pki
from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.pki import leaves
from klusterkit.tasks import kubectl

BINDING = leaves.CLUSTER_ADMINS
"""kubeadm gives the ClusterRoleBinding the name of the group."""


class ClusterAdmins(Step):
    """Make the group of admin.conf cluster administrators.

    Only somebody above RBAC can (group ``system:masters``). kubeadm leaves such a certificate, which nothing can
    revoke, on the host as super-admin.conf; here one for a day is made in memory, used once, and never written down.
    """

    kind: ClassVar[str] = "kubernetes.cluster-admins"
    undoing: ClassVar[Undo] = Undo.CONTAINED

    server: str
    authority: str = "ca"

    @property
    def title(self) -> str:
        """What it does."""
        return f"let {BINDING} administer the cluster"

    def observe(self, on: Context) -> Observation:
        """Whether admin.conf may read the binding, which it may only by the binding."""
        ended = kubectl.ask(on, "get", f"clusterrolebinding/{BINDING}", "--output=name")
        return Observation(satisfied=ended.ok, reason="" if ended.ok else "admin.conf has no rights yet")

    def apply(self, on: Context, before: Before) -> None:
        """Create the binding."""
        _ = before
        create = ("create", "clusterrolebinding", BINDING, "--clusterrole=cluster-admin", f"--group={BINDING}")
        command = kubectl.command(*create, kubeconfig="/dev/stdin")
        ended = on.host.run(command, stdin=self._above_rbac(on), timeout=30.0)
        if not ended.ok and "already exists" not in ended.said:
            raise CommandFailedTemporarily(f"{BINDING} could not be made", host=on.host.name, seen=ended.said)

    def _above_rbac(self, on: Context) -> bytes:
        certificate = on.secret(f"{self.authority}.crt").decode()
        authority = pki.Authority.load(certificate, on.secret(f"{self.authority}.key").decode())
        issued = authority.issue(leaves.super_admin().model_copy(update={"days": 1}))
        return pki.kubeconfig(self.server, certificate, issued.cert_pem, issued.key_pem).encode()
