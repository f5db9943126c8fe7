"""The key pair that service account tokens are signed and verified with."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from klusterkit.pki import pem

KEY_SIZE = 2048
"""Bits, as kubeadm's."""


def create_service_account_key() -> tuple[str, str]:
    """A new key pair: private (PKCS #1) and public (SubjectPublicKeyInfo), both PEM. The first is secret.

    RSA, unlike every other key here. kube-apiserver signs with ECDSA keys as well, but tokens leave the cluster: others
    verify them through its OpenID Connect discovery document, and RS256 is the one algorithm that OpenID Connect
    Discovery 1.0 (section 3) makes everybody support. It costs 50 ms, once in a cluster's life.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_SIZE)
    return pem.key_text(key), pem.public_key_text(key)


def service_account_key_fault(public: str, private: str) -> str:
    """Why these two (PEM) are no key pair, without quoting them; nothing if they are one."""
    try:
        key = pem.read_key(private)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "its private key can't be read"
    try:
        return "" if pem.belongs(key, load_pem_public_key(public.encode())) else "the two don't belong together"
    except (ValueError, UnsupportedAlgorithm):
        return "its public key can't be read"
