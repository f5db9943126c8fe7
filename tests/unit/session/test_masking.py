"""No secret gets through a mask, whole, by lines, or as anything that looks like a private key."""

from __future__ import annotations

import json
from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from klusterkit.pki import Authority, create_service_account_key
from klusterkit.session.masking import MASK, Mask

LONG = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=80)


@given(secret=LONG, before=st.text(), after=st.text())
def test_a_learnt_value_never_gets_through(secret: str, before: str, after: str) -> None:
    mask = Mask()
    mask.learn(secret.encode())

    assert secret not in mask(before + secret + after)


@given(secret=st.binary(min_size=6, max_size=80))
def test_a_learnt_value_does_not_get_through_in_base64_either(secret: bytes) -> None:
    mask = Mask()
    mask.learn(secret)

    assert b64encode(secret).decode() not in mask(f"data: {b64encode(secret).decode()}")


@given(secret=st.text(min_size=8).map(str.strip).filter(lambda text: len(text) >= 8))
def test_a_learnt_value_does_not_get_through_as_json_or_python_quote_it_either(secret: str) -> None:
    mask = Mask()
    mask.learn(secret.encode())

    plain = json.dumps(secret, ensure_ascii=False)
    go = plain.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
    for quoted in (json.dumps(secret), plain, go, repr(secret)):
        assert quoted[1:-1] not in mask(f"the program said: {quoted}")


@given(secret=st.text("ab'\"\\<", min_size=8))
def test_a_learnt_value_does_not_get_through_in_a_text_with_both_kinds_of_quotation_marks(secret: str) -> None:
    mask = Mask()
    mask.learn(secret.encode())

    assert mask(repr(f'it\'s {secret} and "more"')) == repr('it\'s [secret] and "more"')


@given(lines=st.lists(LONG, min_size=2, max_size=6))
def test_each_line_of_a_value_is_known_too(lines: list[str]) -> None:
    mask = Mask()
    mask.learn("\n".join(lines).encode())

    for line in lines:
        assert line not in mask(f"the program said: {line}")


def test_every_line_of_a_real_key_is_masked() -> None:
    private, _ = create_service_account_key()
    mask = Mask()
    mask.learn(private.encode())

    assert all(mask(line) == MASK for line in private.splitlines() if not line.startswith("-----"))


def test_a_private_key_that_was_never_learnt_is_masked_by_its_looks() -> None:
    key = Authority.create("x").key_pem

    assert Mask()(f"found {key} there").replace("\n", "") == f"found {MASK} there"


def test_a_certificate_is_no_secret() -> None:
    certificate = Authority.create("x").cert_pem
    mask = Mask()
    mask.learn(certificate.encode())

    assert mask(certificate) == certificate
