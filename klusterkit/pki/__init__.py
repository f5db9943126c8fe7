"""X.509 of a cluster: its authorities, the certificates that they issue, and kubeconfigs. It does no input or output.

Paths, names and subjects are kubeadm's (its ``phases/certs/certlist.go``), so that kubeadm's own commands understand
a cluster that KlusterKit made. Keys are ECDSA P-256: issuing for hundreds of nodes takes a fraction of a second.
"""

from klusterkit.pki.authority import Authority, Issued
from klusterkit.pki.check import check
from klusterkit.pki.errors import InvalidAuthority, InvalidLeaf, PKIError
from klusterkit.pki.kubeconfig import kubeconfig
from klusterkit.pki.layout import AuthorityName, Place
from klusterkit.pki.leaf import Leaf, Usage
from klusterkit.pki.life import Life, life
from klusterkit.pki.service_account import create_service_account_key, service_account_key_fault

__all__ = [
    "Authority",
    "AuthorityName",
    "InvalidAuthority",
    "InvalidLeaf",
    "Issued",
    "Leaf",
    "Life",
    "PKIError",
    "Place",
    "Usage",
    "check",
    "create_service_account_key",
    "kubeconfig",
    "life",
    "service_account_key_fault",
]
