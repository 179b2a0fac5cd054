"""Certification requests, read back by cryptography and by OpenSSL."""

from __future__ import annotations

import ipaddress
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import AttributeOID
from hypothesis import given
from hypothesis import strategies as st

from components.keystore import KeyAlgorithm, KeystoreError, SoftwarePrivateKey, create_csr
from metatype import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes

NAME = x509.Name.from_rfc4514_string("CN=gateway é,O=Example")
KEY = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
EC_KEY = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
PRINTABLE_STRING = 0x13
UTF8_STRING = 0x0C


def challenge_of(request: bytes) -> tuple[int, str]:
    csr = x509.load_der_x509_csr(request)
    attribute = csr.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD)
    return attribute._type, attribute.value.decode()


@pytest.mark.parametrize(
    ("password", "tag"),
    [("secret 'no' 1", PRINTABLE_STRING), ("p@ss*word", UTF8_STRING), ("pässwort", UTF8_STRING)],
)
def test_the_challenge_is_a_printable_string_where_it_can_be(password: str, tag: int) -> None:
    assert challenge_of(create_csr(KEY, NAME, challenge_password=Secret(password))) == (tag, password)


@given(st.text(min_size=1, max_size=300, alphabet=st.characters(codec="utf-8")))
@pytest.mark.requirement("RFC 8894 2.3: challenge password")
def test_any_challenge_arrives(password: str) -> None:
    assert challenge_of(create_csr(EC_KEY, NAME, challenge_password=Secret(password)))[1] == password


@pytest.mark.parametrize("password", [None, Secret("")])
def test_no_challenge_no_attribute(password: Secret | None) -> None:
    csr = x509.load_der_x509_csr(create_csr(KEY, NAME, challenge_password=password))
    assert len(csr.attributes) == 0
    assert csr.is_signature_valid
    assert csr.subject == NAME
    assert csr.public_key() == KEY.public_key


def test_names_are_requested() -> None:
    names = [x509.DNSName("gw.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
    request = create_csr(EC_KEY, NAME, challenge_password=Secret("x"), subject_alternative_names=names)
    csr = x509.load_der_x509_csr(request)
    extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert list(extension.value) == names
    assert not extension.critical
    nameless = create_csr(EC_KEY, x509.Name([]), challenge_password=None, subject_alternative_names=names)
    assert x509.load_der_x509_csr(nameless).extensions[0].critical


class LyingKey:
    """A handle whose signature is by another key."""

    public_key = KEY.public_key
    exportable = False

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048).sign(data, algorithm)

    decrypt = export = None


def test_a_signature_that_does_not_fit_is_noticed() -> None:
    with pytest.raises(KeystoreError, match="does not fit"):
        create_csr(LyingKey(), NAME, challenge_password=None)  # type: ignore[arg-type]  # a faulty handle on purpose


@pytest.mark.peer("openssl")
def test_openssl_reads_and_verifies_the_request() -> None:
    names = [x509.DNSName("gw.example")]
    request = create_csr(KEY, NAME, challenge_password=Secret("s3cret"), subject_alternative_names=names)
    shown = subprocess.run(
        ["openssl", "req", "-inform", "DER", "-noout", "-text", "-verify"],
        input=request,
        capture_output=True,
        check=True,
    )
    text = (shown.stdout + shown.stderr).decode()
    assert "self-signature verify OK" in text
    assert "challengePassword        :s3cret" in text
    assert "DNS:gw.example" in text
