"""A certificate authority, and what it issues."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from klusterkit.pki import pem
from klusterkit.pki.errors import InvalidAuthority
from klusterkit.pki.leaf import Leaf, Usage

CLOCK_SKEW = timedelta(minutes=10)
"""New certificates begin this long ago, so that a host whose clock is behind takes them."""
TEN_YEARS = 10

USAGE_IDS = {Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as PEM. The key is secret and not part of what is printed."""

    cert_pem: str
    key_pem: str = field(repr=False)


@dataclass(frozen=True)
class Authority:
    """A certificate authority, ready to issue. The key is secret and not part of what is printed.

    Make one by :meth:`create` or :meth:`load`.
    """

    name: str
    """Its common name."""
    cert_pem: str
    key_pem: str = field(repr=False)

    @classmethod
    def create(cls, common_name: str, years: int = TEN_YEARS, now: datetime | None = None) -> Self:
        """A new authority that vouches for itself, with an ECDSA P-256 key."""
        now = now or datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        usage = _key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
        certificate = (
            _builder(name, name, key, now, now + timedelta(days=365 * years))
            # No limit on the path's length: when an authority is replaced, the old one may sign the new one.
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(common_name, pem.certificate_text(certificate), pem.key_text(key))

    @classmethod
    def load(cls, cert_pem: str, key_pem: str, now: datetime | None = None) -> Self:
        """An authority made before, here or elsewhere.

        Raises:
            InvalidAuthority: it can't issue certificates that anybody would accept; says why.
        """
        certificate, key = _read(cert_pem, key_pem)
        name = _common_name(certificate)
        _check_is_authority(certificate, name)
        _check_own_signature(certificate, name)
        if not pem.belongs(key, certificate.public_key()):
            raise InvalidAuthority(
                f"the private key does not belong to the certificate of authority {name!r}",
                hint="give the certificate and the key that were made together",
            )
        _check_period(certificate, name, now or datetime.now(UTC))
        return cls(name, cert_pem, key_pem)

    def issue(self, request: Leaf, now: datetime | None = None) -> Issued:
        """A new key and a certificate for it. The certificate doesn't outlive the authority.

        Raises:
            InvalidAuthority: the authority has expired.
        """
        now = now or datetime.now(UTC)
        certificate, signing_key = self._parsed
        _check_period(certificate, self.name, now)
        key = ec.generate_private_key(ec.SECP256R1())
        ends = min(now + timedelta(days=request.days), certificate.not_valid_after_utc)
        builder = _builder(subject(request), certificate.subject, key, now, ends)
        for extension, critical in _leaf_extensions(request, certificate):
            builder = builder.add_extension(extension, critical)
        return Issued(pem.certificate_text(builder.sign(signing_key, hashes.SHA256())), pem.key_text(key))

    @cached_property
    def _parsed(self) -> tuple[x509.Certificate, pem.SigningKey]:
        return _read(self.cert_pem, self.key_pem)


def subject(request: Leaf) -> x509.Name:
    """The subject of a leaf: its organizations, then its common name, as Go orders them."""
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in request.organizations]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, request.common_name)])


def _leaf_extensions(request: Leaf, issuer: x509.Certificate) -> list[tuple[x509.ExtensionType, bool]]:
    """Extensions with whether a verifier must understand them."""
    names = [x509.DNSName(name) for name in request.dns_names]
    addresses = [x509.IPAddress(address) for address in request.ip_addresses]
    usages = [USAGE_IDS[usage] for usage in request.usages]
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage(usages), False),
        (_authority_key_identifier(issuer), False),
    ]
    if names or addresses:
        extensions.append((x509.SubjectAlternativeName([*names, *addresses]), False))
    return extensions


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    # An authority from elsewhere may have computed its identifier in another way; verifiers compare the values.
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(issuer))
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _public(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise InvalidAuthority(
            f"the authority {_common_name(certificate)!r} has a key that is neither ECDSA nor RSA",
            hint="use an authority with an ECDSA P-256 or RSA key",
        )
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(ends)
        .add_extension(identifier, critical=False)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,  # ECDSA keys encrypt nothing
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read(cert_pem: str, key_pem: str) -> tuple[x509.Certificate, pem.SigningKey]:
    try:
        certificate = pem.read_certificate(cert_pem)
    except ValueError as error:
        raise InvalidAuthority(
            "the authority's certificate can't be read", hint="give a certificate in PEM form (BEGIN CERTIFICATE)"
        ) from error
    return certificate, _read_key(key_pem)


def _read_key(key_pem: str) -> pem.SigningKey:
    try:
        key = pem.read_key(key_pem)
    except TypeError:
        # No `from`: what a parser says about a key has no place in a log.
        raise InvalidAuthority(
            "the authority's private key is protected by a passphrase",
            hint="decrypt it first (openssl pkey -in KEY -out PLAIN); in the state file it is encrypted again",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidAuthority(
            "the authority's private key can't be read", hint="give a key in PEM form (BEGIN ... PRIVATE KEY)"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise InvalidAuthority(
            "the authority's private key is neither ECDSA nor RSA", hint="use an ECDSA P-256 or RSA key"
        )
    return key


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def _check_is_authority(certificate: x509.Certificate, name: str) -> None:
    extensions = certificate.extensions
    try:
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    try:
        may_sign = extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        may_sign = True
    if not (is_authority and may_sign):
        raise InvalidAuthority(
            f"the certificate of {name!r} is not that of a certificate authority: it may not sign certificates",
            hint="give a certificate with CA:TRUE and, where it limits key usage, keyCertSign",
        )


def _check_own_signature(certificate: x509.Certificate, name: str) -> None:
    # Nobody else checks the signature of a root, so a damaged one would be found when it is too late.
    if certificate.issuer != certificate.subject:
        return
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, TypeError, ValueError, UnsupportedAlgorithm):
        raise InvalidAuthority(
            f"the certificate of {name!r} is damaged: its signature does not match", hint="take it from a backup"
        ) from None


def _check_period(certificate: x509.Certificate, name: str, now: datetime) -> None:
    if now > certificate.not_valid_after_utc:
        raise InvalidAuthority(
            f"the authority {name!r} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
            hint="replace the authority",
        )
    if now < certificate.not_valid_before_utc:
        raise InvalidAuthority(
            f"the authority {name!r} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
            hint="check the clock of this machine",
        )
