"""Requests (RFC 8894 3.3): encrypted for the verified CA or RA, signed with a key handle."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.scep.errors import ClientKeyError
from components.scep.message import (
    MessageAttributes,
    MessageType,
    encode_issuer_and_serial_number,
    encode_issuer_and_subject,
    encode_pki_message,
    envelope,
)
from components.scep.transaction.algorithms import Algorithms, SecurityProfile, choose_algorithms

if TYPE_CHECKING:
    from cryptography import x509

    from components.keystore import PrivateKey, PublicKey
    from components.scep.transaction.capabilities import Capabilities
    from components.scep.trust import CaTrust

NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class PkiRequest:
    """A request that is ready to be sent, and what its reply is checked against.

    Attributes:
        algorithms: What it is encrypted and signed with.
    """

    data: bytes = field(repr=False)
    transaction_id: str
    sender_nonce: bytes
    message_type: MessageType
    algorithms: Algorithms


@dataclass(frozen=True, slots=True)
class RenewalForm:
    """One of the forms in which servers take a renewal.

    Attributes:
        message_type: RenewalReq, or what an older server knows.
        challenge: Whether the CSR carries the challenge password.
    """

    message_type: MessageType
    challenge: bool


def new_transaction_id(public_key: PublicKey) -> str:
    """An id for one operation: salted, since a renewal with the same key must not look like the enrolment.

    Returns:
        40 hex digits, the form that every server takes (RFC 8894 3.2.1.1 leaves it open).
    """
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded + os.urandom(NONCE_BYTES)).hexdigest()[:40]


def renewal_forms(capabilities: Capabilities, *, has_challenge: bool) -> tuple[RenewalForm, ...]:
    """The forms of a renewal that are worth a try each, in order; the next one follows a refusal.

    RenewalReq where the server offers it, UpdateReq where it offers that, at last PKCSReq signed with the present
    certificate (OpenXPKI, older servers). The RFC has the challenge password left out; micromdm and step-ca want
    it, so it goes along in one more try of the first form, and in no other: it may be good for one time only.
    """
    offered = [(capabilities.renewal, MessageType.RENEWAL_REQ), (capabilities.update, MessageType.UPDATE_REQ)]
    first, *others = [*(kind for is_offered, kind in offered if is_offered), MessageType.PKCS_REQ]
    with_challenge = (RenewalForm(first, challenge=True),) if has_challenge else ()
    return (
        RenewalForm(first, challenge=False),
        *with_challenge,
        *(RenewalForm(kind, challenge=False) for kind in others),
    )


def build_request(
    *,
    trust: CaTrust,
    capabilities: Capabilities,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    csr: bytes,
    transaction_id: str,
    message_type: MessageType = MessageType.PKCS_REQ,
    algorithms: Algorithms | None = None,
) -> PkiRequest:
    """A PKCSReq or RenewalReq (RFC 8894 3.3.1).

    Args:
        trust: Whom it is encrypted for.
        capabilities: What the server offers.
        profile: What may be sent.
        key: Signs the message and will decrypt the reply: the key to be certified, or for a renewal the one
            that is certified now.
        signer_certificate: The certificate of `key`, self-signed at the first enrolment.
        csr: The certification request in DER.
        transaction_id: The operation's id.
        message_type: PKCS_REQ, RENEWAL_REQ or UPDATE_REQ.
        algorithms: What to encrypt and sign with; None chooses by capabilities and profile.

    Raises:
        ClientKeyError: `key` is no RSA key.
        RecipientKeyError: Nobody in `trust` has one.
    """
    return _request(
        message_type, csr, transaction_id, trust, key, signer_certificate, _chosen(algorithms, capabilities, profile)
    )


def build_poll(
    *,
    trust: CaTrust,
    capabilities: Capabilities,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    subject: x509.Name,
    transaction_id: str,
    algorithms: Algorithms | None = None,
) -> PkiRequest:
    """A CertPoll (RFC 8894 3.3.3) for a request that is pending.

    Args:
        trust: Whom it is encrypted for; its issuing CA is named in it.
        capabilities: What the server offers.
        profile: What may be sent.
        key: The key that the pending request was signed with.
        signer_certificate: The certificate that it was signed with.
        subject: The subject of its CSR.
        transaction_id: Its id.
        algorithms: What to encrypt and sign with; None chooses by capabilities and profile.
    """
    content = encode_issuer_and_subject(trust.issuer.subject, subject)
    chosen = _chosen(algorithms, capabilities, profile)
    return _request(MessageType.CERT_POLL, content, transaction_id, trust, key, signer_certificate, chosen)


def build_get_cert(
    *,
    trust: CaTrust,
    capabilities: Capabilities,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    serial_number: int,
    transaction_id: str,
    issuer: x509.Name | None = None,
    algorithms: Algorithms | None = None,
) -> PkiRequest:
    """A GetCert (RFC 8894 3.3.4) for the certificate of that number; `issuer` is the issuing CA unless given."""
    content = encode_issuer_and_serial_number(issuer or trust.issuer.subject, serial_number)
    chosen = _chosen(algorithms, capabilities, profile)
    return _request(MessageType.GET_CERT, content, transaction_id, trust, key, signer_certificate, chosen)


def build_get_crl(
    *,
    trust: CaTrust,
    capabilities: Capabilities,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    serial_number: int,
    transaction_id: str,
    issuer: x509.Name | None = None,
    algorithms: Algorithms | None = None,
) -> PkiRequest:
    """A GetCRL (RFC 8894 3.3.4) for the CRL that the certificate of that number would be on."""
    content = encode_issuer_and_serial_number(issuer or trust.issuer.subject, serial_number)
    chosen = _chosen(algorithms, capabilities, profile)
    return _request(MessageType.GET_CRL, content, transaction_id, trust, key, signer_certificate, chosen)


def _chosen(algorithms: Algorithms | None, capabilities: Capabilities, profile: SecurityProfile) -> Algorithms:
    return choose_algorithms(capabilities, profile) if algorithms is None else algorithms


def _request(
    message_type: MessageType,
    content: bytes,
    transaction_id: str,
    trust: CaTrust,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    algorithms: Algorithms,
) -> PkiRequest:
    if not isinstance(key.public_key, rsa.RSAPublicKey):
        raise ClientKeyError(signer_certificate.subject.rfc4514_string())
    nonce = os.urandom(NONCE_BYTES)
    data = encode_pki_message(
        MessageAttributes(message_type, transaction_id, sender_nonce=nonce),
        envelope(content, trust.recipient, algorithms.cipher),
        key=key,
        certificate=signer_certificate,
        digest=algorithms.digest,
    )
    return PkiRequest(data, transaction_id, nonce, message_type, algorithms)
