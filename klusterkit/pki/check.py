"""Whether a certificate that is there is the one that is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from klusterkit.moments import moment
from klusterkit.pki import pem
from klusterkit.pki.authority import USAGE_IDS, subject
from klusterkit.pki.leaf import Leaf

RENEW_AFTER = 2 / 3
"""Part of its life after which a certificate is renewed: there is a third of it left to notice that it failed."""


def check(
    cert_pem: str,
    key_pem: str | None,
    authority_cert_pem: str,
    leaf: Leaf,
    now: datetime,
    renew_after: float = RENEW_AFTER,
) -> list[str]:
    """Reasons why a certificate is not the wanted one; none means that it is.

    Args:
        cert_pem: the certificate that is there.
        key_pem: its key; None where the key is not looked at.
        authority_cert_pem: who must have issued it.
        leaf: what it must say.
        now: with its time zone.
        renew_after: part of the certificate's life, 0 to 1, after which it is due for renewal.

    Raises:
        ValueError: `authority_cert_pem` is no certificate.
    """
    authority = pem.read_certificate(authority_cert_pem)
    try:
        certificate = pem.read_certificate(cert_pem)
    except ValueError:
        return ["it is not a certificate in PEM form"]
    return [
        *_issuer(certificate, authority, now),
        *_key(certificate, key_pem),
        *_subject(certificate, leaf),
        *_names(certificate, leaf),
        *_usages(certificate, leaf),
        *_period(certificate, now, renew_after),
    ]


def _issuer(certificate: x509.Certificate, authority: x509.Certificate, now: datetime) -> Iterator[str]:
    expected = authority.subject.rfc4514_string()
    try:
        certificate.verify_directly_issued_by(authority)
    except ValueError:
        yield f"it was issued by {certificate.issuer.rfc4514_string()}, not by {expected}"
    except (InvalidSignature, TypeError, UnsupportedAlgorithm):
        yield f"it is not signed with the key of {expected}"
    if now > authority.not_valid_after_utc:
        yield f"its authority {expected} expired on {moment(authority.not_valid_after_utc.timestamp())}"


def _key(certificate: x509.Certificate, key_pem: str | None) -> Iterator[str]:
    if key_pem is None:
        return
    try:
        key = pem.read_key(key_pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        yield "its private key can't be read"
        return
    if not pem.belongs(key, certificate.public_key()):
        yield "the private key does not belong to it"


def _subject(certificate: x509.Certificate, leaf: Leaf) -> Iterator[str]:
    wanted, found = subject(leaf), certificate.subject
    # The order of organizations means nothing to Kubernetes.
    if sorted(_attributes(wanted)) != sorted(_attributes(found)):
        yield f"its subject is {found.rfc4514_string()}, wanted {wanted.rfc4514_string()}"


def _attributes(name: x509.Name) -> Iterator[tuple[str, str]]:
    return ((attribute.oid.dotted_string, str(attribute.value)) for attribute in name)


def _names(certificate: x509.Certificate, leaf: Leaf) -> Iterator[str]:
    found = _alternative_names(certificate)
    wanted = {*leaf.dns_names, *map(str, leaf.ip_addresses)}
    if missing := wanted - found:
        yield f"it is not valid for {_listed(missing)}"
    if surplus := found - wanted:
        yield f"it is also valid for {_listed(surplus)}, which is not wanted"


def _alternative_names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value).lower() for name in names}


def _usages(certificate: x509.Certificate, leaf: Leaf) -> Iterator[str]:
    extensions = certificate.extensions
    try:
        found = {usage.dotted_string for usage in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value}
    except x509.ExtensionNotFound:
        found = set[str]()
    wanted = {USAGE_IDS[usage].dotted_string for usage in leaf.usages}
    if found != wanted:
        named = {identifier.dotted_string: usage.value for usage, identifier in USAGE_IDS.items()}
        described = _listed(named.get(usage, usage) for usage in found) or "nothing"
        yield f"it may be used as {described}, wanted {_listed(leaf.usages)}"
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            yield "it is the certificate of an authority"
    except x509.ExtensionNotFound:
        pass


def _period(certificate: x509.Certificate, now: datetime, renew_after: float) -> Iterator[str]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begins:
        yield f"it is valid only from {moment(begins.timestamp())}"
    elif now > ends:
        yield f"it expired on {moment(ends.timestamp())}"
    elif now > begins + (ends - begins) * renew_after:
        yield f"it is due for renewal: it expires on {moment(ends.timestamp())}"


def _listed(items: Iterable[str]) -> str:
    return ", ".join(sorted(items))
