"""The key pair that service account tokens are signed and verified with."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa

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
