"""The forms of the enrolment's texts: what a descriptor refuses is what the enrolment could not use, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from components.keystore import parse_subject
from metatype import Attribute, AttributeType, TextFormat

if TYPE_CHECKING:
    from tests.components.scep.pki import Pki

NAME = Attribute("dn", AttributeType.STRING, required=False, format=TextFormat.DISTINGUISHED_NAME)
CERTIFICATE = Attribute("pem", AttributeType.STRING, required=False, format=TextFormat.PEM_CERTIFICATE)

PIECES = [*'CN=a O=,+ \\"#;<>é', "CN=", "O=", "OU=x", "UID=", "1.2.3=", "\\,", "\\2C", "cn=", "EMAIL=", "#0c0161"]


def is_name(text: str) -> bool:
    try:
        return parse_subject(text) is not None
    except ValueError:
        return False


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_a_name_that_can_be_asked_for_is_not_refused(text: str) -> None:
    if is_name(text):
        assert NAME.validate(text) == ()


@pytest.mark.parametrize(
    "text", ["gateway-17", "CN", "=a", "CN=a,", "CN=a;O=b", "cn=a", "E=a@b", "CN=a, O=b", "CN=a\\", 'CN="a"', "CN= a"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    assert not is_name(text)
    assert [one.rule for one in NAME.validate(text)] == ["format"]


def test_a_certificate_is_taken_as_programs_write_it(pki: Pki) -> None:
    pem = pki.root.certificate.public_bytes(Encoding.PEM).decode()
    shown = f"subject=CN = Root\nissuer=CN = Root\n{pem}"
    for text in (pem, pem.strip(), pem.replace("\n", "\r\n"), shown, ""):
        assert CERTIFICATE.validate(text) == ()
        assert not text or x509.load_pem_x509_certificate(text.encode()) == pki.root.certificate


def test_what_is_not_one_certificate_is_refused(pki: Pki) -> None:
    pem = pki.root.certificate.public_bytes(Encoding.PEM).decode()
    key = pem.replace("CERTIFICATE", "PRIVATE KEY")
    for text in ("garbage", pem + pem, pem[:-30], pem.replace("MII", "AAA", 1), key, pem.replace("\n", "\n!", 1)):
        assert [one.rule for one in CERTIFICATE.validate(text)] == ["format"]
