"""The CRL that is taken from a reply to GetCRL: that of the issuer which was asked about, and signed for it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from components.keystore import KeyAlgorithm, SoftwarePrivateKey, as_signing_key
from components.scep.errors import CrlError, OtherCrlError
from components.scep.message import Cipher, encode_certificates, envelope
from components.scep.transaction import (
    FoundCrl,
    SecurityProfile,
    build_get_crl,
    new_transaction_id,
    read_get_crl_reply,
)
from components.scep.trust import FingerprintPin, fingerprint, verify_ca_certificates
from tests.components.scep.pki import NOW, SERVER, Exchange, Party, Pki, name

PROFILE = SecurityProfile.STANDARD


def crl_of(issuer: str, key: SoftwarePrivateKey, made: datetime = NOW) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(name(issuer))
    builder = builder.last_update(made).next_update(made + timedelta(days=7))
    return builder.sign(as_signing_key(key), hashes.SHA256())


def asked(
    pki: Pki, root: Party, others: tuple[Party, ...], signer: Party, issuer: str, *crls: x509.CertificateRevocationList
) -> FoundCrl:
    """What the device makes of a reply with these CRLs to its question about one issuer."""
    certificates = [root.certificate, *(one.certificate for one in others)]
    trust = verify_ca_certificates(certificates, FingerprintPin(fingerprint(root.certificate)), NOW)
    device = pki.device
    request = build_get_crl(
        trust=trust,
        capabilities=SERVER,
        profile=PROFILE,
        key=device.key,
        signer_certificate=device.certificate,
        serial_number=5,
        issuer=name(issuer),
        transaction_id=new_transaction_id(device.key.public_key),
    )
    content = envelope(encode_certificates((), crls), device.certificate, Cipher.AES128)
    found = read_get_crl_reply(
        Exchange(pki, trust, request, device.certificate).success(signer=signer, content=content),
        request,
        trust=trust,
        profile=PROFILE,
        key=device.key,
        signer_certificate=device.certificate,
        issuer=name(issuer),
        now=NOW,
    )
    assert isinstance(found, FoundCrl)
    return found


@pytest.fixture(scope="module")
def issuing(pki: Pki) -> Party:
    return pki.party("issuing", pki.root, ca=True)


@pytest.mark.requirement("RFC 8894 3.3.4: GetCert and GetCRL")
def test_the_crl_of_another_trusted_ca_is_refused_with_both_names(pki: Pki, issuing: Party) -> None:
    with pytest.raises(OtherCrlError) as caught:
        asked(pki, pki.root, (issuing,), issuing, "issuing", crl_of("root", pki.root.key))
    assert caught.value.expected == "CN=issuing"
    assert caught.value.found == ("CN=root",)
    assert "CN=issuing" in str(caught.value)
    assert "CN=root" in str(caught.value)


def test_a_newer_crl_of_another_ca_does_not_hide_the_right_one(pki: Pki, issuing: Party) -> None:
    right = crl_of("issuing", issuing.key)
    newer = crl_of("root", pki.root.key, NOW + timedelta(minutes=1))
    assert asked(pki, pki.root, (issuing,), issuing, "issuing", newer, right).crl == right


def test_the_newest_of_one_issuer_is_taken(pki: Pki, issuing: Party) -> None:
    old, new = (crl_of("issuing", issuing.key, NOW - timedelta(days=days)) for days in (2, 1))
    assert asked(pki, pki.root, (issuing,), issuing, "issuing", new, old).crl == new


def test_the_name_alone_makes_no_crl_of_an_issuer(pki: Pki, issuing: Party) -> None:
    with pytest.raises(CrlError, match="CN=issuing"):
        asked(pki, pki.root, (issuing,), issuing, "issuing", crl_of("issuing", pki.root.key))


@pytest.mark.parametrize(("usage", "may"), [("crl_sign", True), ("digital_signature", False)])
def test_a_key_that_the_ca_has_for_crls_counts_if_its_certificate_says_so(
    pki: Pki, issuing: Party, usage: str, may: bool
) -> None:
    key = pki.key("crl signer")
    signer = Party(key, pki.issue("issuing", pki.root, key_of="crl signer", usage=(usage,)))
    crl = crl_of("issuing", key)
    if may:
        assert asked(pki, pki.root, (issuing, signer), issuing, "issuing", crl).crl == crl
        return
    with pytest.raises(CrlError, match="signed neither by it nor"):
        asked(pki, pki.root, (issuing, signer), issuing, "issuing", crl)


def test_the_crl_of_an_ec_ca_with_an_rsa_ra_is_taken_and_a_forged_one_is_not() -> None:
    pki = Pki()
    pki._keys["ec root"] = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    root = pki.self_signed("ec root")
    ra = pki.party("rsa ra", root, usage=("digital_signature", "key_encipherment"))
    crl = crl_of("ec root", root.key)
    assert asked(pki, root, (ra,), ra, "ec root", crl).crl == crl
    forged = crl_of("ec root", SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256))
    with pytest.raises(CrlError, match="CN=ec root"):
        asked(pki, root, (ra,), ra, "ec root", forged)
