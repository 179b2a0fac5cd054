"""CAs and RAs with EC keys: they may sign and vouch, but a request is encrypted for RSA (RFC 8894 3.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from components.keystore import KeyAlgorithm, SoftwarePrivateKey, as_signing_key, create_csr
from components.scep.errors import ClientKeyError, RecipientKeyError, SignatureError
from components.scep.transaction import Issued, SecurityProfile, build_request, new_transaction_id
from components.scep.trust import FingerprintPin, fingerprint, verify_ca_certificates
from tests.components.scep.pki import NOW, SERVER, Exchange, Party, Pki, name


@pytest.fixture(scope="module")
def ec_pki() -> Pki:
    """A PKI whose root has an EC key."""
    pki = Pki()
    pki._keys["ec root"] = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    pki._keys["ec ra"] = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 384)
    return pki


def root_of(pki: Pki) -> Party:
    return pki.self_signed("ec root")


def exchange_under(pki: Pki, root: Party, *others: Party) -> Exchange:
    certificates = [root.certificate, *(one.certificate for one in others)]
    trust = verify_ca_certificates(certificates, FingerprintPin(fingerprint(root.certificate)), NOW)
    request = build_request(
        trust=trust,
        capabilities=SERVER,
        profile=SecurityProfile.STRICT,
        key=pki.device.key,
        signer_certificate=pki.device.certificate,
        csr=create_csr(pki.device.key, name("device"), challenge_password=None),
        transaction_id=new_transaction_id(pki.device.key.public_key),
    )
    return Exchange(pki, trust, request, pki.issue("device", root))


def test_an_ec_ca_issues_and_its_rsa_ra_is_encrypted_for(ec_pki: Pki) -> None:
    root = root_of(ec_pki)
    ra = ec_pki.party("rsa ra", root, usage=("digital_signature", "key_encipherment"))
    exchange = exchange_under(ec_pki, root, ra)
    assert exchange.trust.recipient == ra.certificate
    for signer in (root, ra):
        reply = exchange.read(exchange.success(signer=signer))
        assert isinstance(reply, Issued)
        assert reply.chain == (exchange.issued, root.certificate)


def test_an_ec_ra_signs_and_the_rsa_ra_beside_it_is_encrypted_for(ec_pki: Pki) -> None:
    root = root_of(ec_pki)
    signer = ec_pki.party("ec ra", root, usage=("digital_signature",))
    recipient = ec_pki.party("rsa ra", root, usage=("key_encipherment",))
    exchange = exchange_under(ec_pki, root, signer, recipient)
    assert exchange.trust.recipient == recipient.certificate
    assert isinstance(exchange.read(exchange.success(signer=signer)), Issued)


def test_an_ec_certificate_that_another_key_signed_vouches_for_nothing(ec_pki: Pki) -> None:
    root = root_of(ec_pki)
    impostor = replace(root, key=SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256))
    forged = ec_pki.issue("rsa ra", impostor)
    with pytest.raises(SignatureError):
        verify_ca_certificates(
            [root.certificate, forged], FingerprintPin(fingerprint(root.certificate)), NOW
        ).check_signer(forged)


def test_an_ec_ca_that_is_alone_cannot_be_encrypted_for_and_that_is_said(ec_pki: Pki) -> None:
    with pytest.raises(RecipientKeyError, match="RSA") as caught:
        exchange_under(ec_pki, root_of(ec_pki))
    assert "CN=ec root" in str(caught.value)


@pytest.mark.requirement("RFC 8894 3.1: RSA only")
def test_a_request_for_an_ec_key_is_never_begun(ec_pki: Pki) -> None:
    root = ec_pki.root
    trust = verify_ca_certificates([root.certificate], FingerprintPin(fingerprint(root.certificate)), NOW)
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name("device"))
        .issuer_name(name("device"))
        .public_key(key.public_key)
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(as_signing_key(key), hashes.SHA256())
    )
    with pytest.raises(ClientKeyError, match="RSA"):
        build_request(
            trust=trust,
            capabilities=SERVER,
            profile=SecurityProfile.STRICT,
            key=key,
            signer_certificate=certificate,
            csr=create_csr(key, name("device"), challenge_password=None),
            transaction_id=new_transaction_id(key.public_key),
        )
