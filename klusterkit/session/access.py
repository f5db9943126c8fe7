"""How to reach the cluster's API: a kubeconfig, issued when it is asked for and kept nowhere."""

from __future__ import annotations

from klusterkit import pki
from klusterkit.cluster import host_and_port
from klusterkit.engine.errors import UsageError
from klusterkit.pki import leaves
from klusterkit.session.hold import Hold


def admin_kubeconfig(hold: Hold) -> str:
    """A kubeconfig with a new administrator's certificate, good for a year. It is a secret."""
    cluster = hold.the_cluster()
    masters = [machine for machine in hold.machines if machine.is_master]
    if cluster.endpoint is None and not masters:
        raise UsageError("the cluster has no master yet", hint="cctl create machine --ip ADDRESS --role master")
    server = str(cluster.endpoint) if cluster.endpoint else host_and_port(masters[0].address, 6443)
    certificate = hold.secret("ca.crt").decode()
    authority = pki.Authority.load(certificate, hold.secret("ca.key").decode())
    issued = authority.issue(leaves.admin())
    return pki.kubeconfig(f"https://{server}", certificate, issued.cert_pem, issued.key_pem, cluster.name, "admin")
