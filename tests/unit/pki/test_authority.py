"""Authorities are made, loaded and refused as they should be, and issue what was asked for."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import assume, given
from hypothesis import strategies as st

from klusterkit.pki import Authority, InvalidAuthority, InvalidLeaf, Issued, Leaf, Usage, check
from klusterkit.pki.layout import CERTIFICATES

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
LEAVES = st.builds(
    Leaf,
    common_name=st.text("abcdefghijklmnopqrstuvwxyz:-.0123456789", min_size=1, max_size=64),
    organizations=st.lists(st.sampled_from(["system:nodes", "system:masters", "ops"]), unique=True).map(tuple),
    dns_names=st.lists(st.lists(LABEL, min_size=1, max_size=4).map(".".join), max_size=5).map(tuple),
    ip_addresses=st.lists(st.ip_addresses(), max_size=5).map(tuple),
    usages=st.sets(st.sampled_from(list(Usage)), min_size=1).map(tuple),
    days=st.integers(1, 20_000),
)


def parsed(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.cert_pem.encode())


def self_signed(
    *, key: object = None, ca: bool | None = True, name: str = "theirs", sign: bool = True
) -> tuple[str, str]:
    """A certificate from elsewhere, as PEM, with its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if not sign:
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        builder = builder.add_extension(usage, critical=True)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(key, algorithm)
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem_of(key)


def pem_of(key: object, passphrase: bytes | None = None) -> str:
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection).decode()


@given(LEAVES)
def test_what_is_issued_is_what_was_asked_for(authority: Authority, now: datetime, leaf: Leaf) -> None:
    issued = authority.issue(leaf, now)
    assert check(issued.cert_pem, issued.key_pem, authority.cert_pem, leaf, now) == []


@given(LEAVES)
def test_a_leaf_survives_a_journey_as_json(leaf: Leaf) -> None:
    assert Leaf.model_validate_json(leaf.model_dump_json()) == leaf


@given(LEAVES)
def test_no_leaf_outlives_its_authority(authority: Authority, now: datetime, leaf: Leaf) -> None:
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.encode())
    ends = parsed(authority.issue(leaf, now)).not_valid_after_utc
    assert ends == min(now + timedelta(days=leaf.days), issuer.not_valid_after_utc)


def test_certificates_begin_ten_minutes_ago(authority: Authority, now: datetime) -> None:
    leaf = Leaf(common_name="x", usages=(Usage.CLIENT,))
    created = x509.load_pem_x509_certificate(Authority.create("y", now=now).cert_pem.encode())
    for certificate in (parsed(authority.issue(leaf, now)), created):
        assert certificate.not_valid_before_utc == now - timedelta(minutes=10)


def test_serial_numbers_and_keys_are_never_the_same(authority: Authority) -> None:
    leaf = Leaf(common_name="x", usages=(Usage.CLIENT,))
    issued = [authority.issue(leaf) for _ in range(20)]
    assert len({parsed(item).serial_number for item in issued}) == 20
    assert len({item.key_pem for item in issued}) == 20


def test_a_leaf_has_the_extensions_of_rfc_5280(authority: Authority) -> None:
    extensions = parsed(authority.issue(Leaf(common_name="x", usages=(Usage.SERVER,)))).extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.encode()).extensions
    key_of_issuer = issuer.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == key_of_issuer
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest != key_of_issuer


def test_an_authority_may_sign_and_says_so_critically(authority: Authority) -> None:
    extensions = x509.load_pem_x509_certificate(authority.cert_pem.encode()).extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert extensions.get_extension_for_class(x509.BasicConstraints).critical


def test_an_authority_lives_ten_years(now: datetime) -> None:
    certificate = x509.load_pem_x509_certificate(Authority.create("x", now=now).cert_pem.encode())
    assert certificate.not_valid_after_utc == now + timedelta(days=3650)


def test_a_created_authority_can_be_loaded(authority: Authority) -> None:
    assert Authority.load(authority.cert_pem, authority.key_pem) == authority


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())])
def test_an_authority_from_elsewhere_issues(key: object, now: datetime) -> None:
    """RSA or another curve, key in PKCS #8, without key usage and key identifier."""
    theirs = Authority.load(*self_signed(key=key))
    leaf = Leaf(common_name="x", usages=(Usage.SERVER,), dns_names=("x",))
    issued = theirs.issue(leaf)
    assert theirs.name == "theirs"
    assert check(issued.cert_pem, issued.key_pem, theirs.cert_pem, leaf, now) == []


def test_a_leaf_is_no_authority(authority: Authority) -> None:
    issued = authority.issue(Leaf(common_name="impostor", usages=(Usage.CLIENT,)))
    with pytest.raises(InvalidAuthority, match="'impostor' is not that of a certificate authority"):
        Authority.load(issued.cert_pem, issued.key_pem)


@pytest.mark.parametrize(("ca", "sign"), [(None, True), (False, True), (True, False)])
def test_a_certificate_that_may_not_sign_is_no_authority(ca: bool | None, sign: bool) -> None:
    with pytest.raises(InvalidAuthority, match="may not sign certificates"):
        Authority.load(*self_signed(ca=ca, sign=sign))


def test_the_key_of_another_authority_is_refused(authority: Authority) -> None:
    with pytest.raises(InvalidAuthority, match="does not belong to the certificate of authority 'kubernetes'"):
        Authority.load(authority.cert_pem, Authority.create("kubernetes").key_pem)


def test_an_expired_authority_neither_loads_nor_issues(authority: Authority, now: datetime) -> None:
    later = now + timedelta(days=3660)
    for attempt in (
        lambda: Authority.load(authority.cert_pem, authority.key_pem, later),
        lambda: authority.issue(Leaf(common_name="x", usages=(Usage.CLIENT,)), later),
    ):
        with pytest.raises(InvalidAuthority, match="expired on"):
            attempt()


def test_an_authority_of_tomorrow_is_refused(authority: Authority, now: datetime) -> None:
    with pytest.raises(InvalidAuthority, match="valid only from") as caught:
        Authority.load(authority.cert_pem, authority.key_pem, now - timedelta(days=1))
    assert "clock" in str(caught.value.hint)


def test_a_key_with_a_passphrase_is_refused_with_the_way_out(authority: Authority) -> None:
    key = serialization.load_pem_private_key(authority.key_pem.encode(), None)
    with pytest.raises(InvalidAuthority, match="protected by a passphrase") as caught:
        Authority.load(authority.cert_pem, pem_of(key, b"open sesame"))
    assert "openssl pkey" in str(caught.value.hint)


def test_a_key_that_kubernetes_does_not_take_is_refused() -> None:
    with pytest.raises(InvalidAuthority, match="neither ECDSA nor RSA"):
        Authority.load(*self_signed(key=ed25519.Ed25519PrivateKey.generate()))


@given(st.text(max_size=200))
def test_text_that_is_no_certificate_or_key_is_refused_in_words(authority: Authority, text: str) -> None:
    with pytest.raises(InvalidAuthority, match="certificate can't be read"):
        Authority.load(text, authority.key_pem)
    with pytest.raises(InvalidAuthority, match="key can't be read"):
        Authority.load(authority.cert_pem, text)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(st.data())
def test_a_damaged_certificate_is_refused_in_words(authority: Authority, data: st.DataObject) -> None:
    """One letter of the base64 text is another. Only an issuer's name may be: that of an intermediate is its root's."""
    lines = authority.cert_pem.splitlines()
    row = data.draw(st.integers(1, len(lines) - 2))
    column = data.draw(st.integers(0, len(lines[row]) - 1))
    letter = data.draw(st.sampled_from("ABCDabcd0189+/").filter(lambda other: other != lines[row][column]))
    lines[row] = lines[row][:column] + letter + lines[row][column + 1 :]
    damaged = "\n".join(lines)
    assume(b64decode("".join(lines[1:-1])) != b64decode("".join(authority.cert_pem.splitlines()[1:-1])))
    try:
        loaded = Authority.load(damaged, authority.key_pem)
    except InvalidAuthority:
        return
    certificate = x509.load_pem_x509_certificate(loaded.cert_pem.encode())
    assert certificate.issuer != certificate.subject


def test_keys_are_not_in_what_is_printed(authority: Authority) -> None:
    issued = authority.issue(Leaf(common_name="x", usages=(Usage.CLIENT,)))
    assert "PRIVATE" not in f"{authority!r} {authority} {issued!r} {issued}"


def test_errors_hold_no_key_material(authority: Authority) -> None:
    damaged = authority.key_pem.replace("\n", "\nAAAA", 2)
    with pytest.raises(InvalidAuthority) as caught:
        Authority.load(authority.cert_pem, damaged)
    secret = authority.key_pem.splitlines()[1][:20]
    assert caught.value.__suppress_context__
    assert secret not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("name", ["a b", "-a", "a..b", "x" * 64, "a_b", "", "*", "10.0.0.5/24", ".".join(["abc"] * 70)])
def test_a_name_that_is_neither_dns_nor_address_is_refused(name: str) -> None:
    with pytest.raises(InvalidLeaf, match="neither a DNS name nor an IP address"):
        Leaf(common_name="x", usages=(Usage.SERVER,)).also_for([name])


def test_more_hosts_are_sorted_into_names_and_addresses() -> None:
    leaf = Leaf(common_name="x", usages=(Usage.SERVER,)).also_for(
        ["API.example.com", "10.0.0.5", "[fd00::1]", "fd00::1"]
    )
    assert leaf.dns_names == ("api.example.com",)
    assert leaf.ip_addresses == (ip_address("10.0.0.5"), ip_address("fd00::1"))


def test_limits_of_a_leaf_are_said_in_words() -> None:
    with pytest.raises(InvalidLeaf, match="has 65 characters"):
        Leaf(common_name="x" * 65, usages=(Usage.CLIENT,))
    with pytest.raises(InvalidLeaf, match="at least one usage"):
        Leaf(common_name="x", usages=())
    with pytest.raises(InvalidLeaf, match="for 0 days"):
        Leaf(common_name="x", usages=(Usage.CLIENT,), days=0)


def test_every_leaf_certificate_has_a_place_of_its_own() -> None:
    paths = [place.certificate for place in CERTIFICATES.values()] + [place.key for place in CERTIFICATES.values()]
    assert len(set(paths)) == 2 * len(CERTIFICATES)


def test_a_certificate_of_a_version_that_there_is_not_is_refused_in_words(authority: Authority) -> None:
    der = b64decode("".join(authority.cert_pem.splitlines()[1:-1]))
    of_version_seven = b64encode(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x06", 1)).decode()
    with pytest.raises(InvalidAuthority):
        Authority.load(
            f"-----BEGIN CERTIFICATE-----\n{of_version_seven}\n-----END CERTIFICATE-----\n", authority.key_pem
        )
