"""Certificates and keys between PEM text and objects."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""Keys that every component of Kubernetes and etcd takes."""


def certificate_text(certificate: x509.Certificate) -> str:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def key_text(key: SigningKey) -> str:
    """The key as PEM in its traditional form (RFC 5915, PKCS #1), which is what kubeadm writes."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode("ascii")


def public_key_text(key: SigningKey) -> str:
    """Its public half as PEM (RFC 5280 SubjectPublicKeyInfo)."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode("ascii")
    )


_DAMAGED = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm)
"""What the library raises besides ``ValueError``."""


def read_certificate(text: str) -> x509.Certificate:
    """The first certificate of a PEM text.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        # These are parsed on first use only; what is damaged in them belongs here.
        _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key()
    except _DAMAGED as error:
        raise ValueError(str(error)) from error
    return certificate


def read_key(text: str) -> PrivateKeyTypes:
    """The private key of a PEM text.

    Raises:
        ValueError: there is none, it is damaged or of an unknown kind.
        TypeError: it is protected by a passphrase.
    """
    return serialization.load_pem_private_key(text.encode(), password=None)


def belongs(key: PrivateKeyTypes, public: PublicKeyTypes) -> bool:
    """Whether a private key is the other half of a public key."""
    return key.public_key() == public
