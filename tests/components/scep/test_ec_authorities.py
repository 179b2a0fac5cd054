"""CAs and RAs with EC keys: they may sign and vouch, but a request is encrypted for RSA (RFC 8894 3.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from components.keystore import KeyAlgorithm, PrivateKeyEntry, SoftwarePrivateKey, as_signing_key, create_csr
from components.scep.errors import ClientKeyError, RecipientKeyError, SignatureError
from components.scep.transaction import Issued, SecurityProfile, build_request, new_transaction_id
from components.scep.trust import FingerprintPin, fingerprint, verify_ca_certificates
from tests.components.scep.pki import NOW, SERVER, Exchange, Party, Pki, name
from tests.components.scep.test_retrieval_commands import refused

if TYPE_CHECKING:
    from datetime import datetime

    from tests.components.scep.enrolled_gateway import Begin, CertificateAuthority


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


def certified(authority: CertificateAuthority, key: SoftwarePrivateKey, now: datetime) -> PrivateKeyEntry:
    """An entry as a person may have put it there: an EC key with a certificate of the CA."""
    ca = authority.ca._authority.current.ca  # the CA itself certifies RSA only
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name("device"))
        .issuer_name(ca.certificate.subject)
        .public_key(key.public_key)
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=80))
        .sign(ca.key, hashes.SHA256())
    )
    return PrivateKeyEntry(key, (certificate, ca.certificate))


@pytest.mark.requirement("RFC 8894 3.1: RSA only")
def test_an_ec_key_under_the_enrolments_aliases_is_told_of_and_replaced_by_an_enrolment(begin: Begin) -> None:
    gateway, authority = begin()
    stranger = certified(authority, SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256), gateway.clock.now())
    with gateway.keystore.edit() as edit:
        edit.set("scep-enrolled-key-pair", stranger)
        edit.set("sce-request-key-pair", stranger)
    gateway.stop()
    gateway.start()
    gateway.service.renew()
    gateway.harness.settle()
    error = gateway.status["last_error"]
    assert gateway.status["state"] == "refused"
    assert "no RSA key" in error["message"]
    assert "gatewright cert enroll" in error["what_to_do"]
    assert gateway.identity == stranger
    unusable = refused(gateway, "cert get 7")
    assert unusable.exit_status == 4
    assert "gatewright cert enroll" in str(unusable)
    gateway.service.enroll()
    gateway.harness.settle()
    assert gateway.status["state"] == "enrolled", gateway.status
    assert isinstance(gateway.identity.chain[0].public_key(), rsa.RSAPublicKey)
    assert authority.issued == 2
