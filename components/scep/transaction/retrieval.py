"""What else a CA is asked for: a certificate, a CRL (RFC 8894 3.3.4), its next certificates (4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

from components.scep.errors import (
    CertificateNotFoundError,
    CrlError,
    DecodingError,
    EnvelopeError,
    PkiStatusError,
    UntrustedSignerError,
)
from components.scep.message import (
    PkiStatus,
    check_content,
    decode_certificates,
    decode_degenerate,
    decode_signed_data,
    find_signer,
)
from components.scep.transaction.algorithms import digest_warnings
from components.scep.transaction.refusal import Refused, refusal
from components.scep.transaction.replies import check_reply, open_reply
from components.scep.trust import CLOCK_SKEW, CaTrust, is_ca, verify_next_ca_certificates

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from components.keystore import PrivateKey
    from components.scep.transaction.algorithms import SecurityProfile
    from components.scep.transaction.requests import PkiRequest


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """The certificate that was asked for; it chains to the pinned CA."""

    certificate: x509.Certificate
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundCrl:
    """The CRL that was asked for, signed by a CA of the trust."""

    crl: x509.CertificateRevocationList
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NextCa:
    """The CA certificates of the time to come, vouched for by the present CA.

    Attributes:
        trust: The new anchor and what is under it; it may not be valid yet.
        warnings: What an operator should know of how they came.
    """

    trust: CaTrust
    warnings: tuple[str, ...]


def read_get_cert_reply(
    data: bytes,
    request: PkiRequest,
    *,
    trust: CaTrust,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    serial_number: int,
) -> FoundCertificate | Refused:
    """Check the reply to a GetCert as `read_reply` does, then find the certificate of that number in it.

    Raises:
        MessageError: A check failed, or another certificate came.
    """
    content = _content(data, request, trust, profile, key, signer_certificate)
    if isinstance(content, Refused):
        return content
    (certificates, _), warnings = content
    for certificate in certificates:
        if certificate.serial_number == serial_number:
            trust.chain_of(certificate)
            return FoundCertificate(certificate, warnings)
    raise CertificateNotFoundError(serial_number)


def read_get_crl_reply(
    data: bytes,
    request: PkiRequest,
    *,
    trust: CaTrust,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    now: datetime,
) -> FoundCrl | Refused:
    """Check the reply to a GetCRL as `read_reply` does, then find a CRL in it that a CA of the trust signed.

    Raises:
        MessageError: A check failed, or no such CRL came.
    """
    content = _content(data, request, trust, profile, key, signer_certificate)
    if isinstance(content, Refused):
        return content
    (_, crls), warnings = content
    signed = [crl for crl in crls if any(_is_crl_of(crl, one) for one in trust.certificates if is_ca(one))]
    if not signed:
        raise CrlError("the server sent no CRL" if not crls else "the CRL was not signed by a CA of the pinned one")
    crl = max(signed, key=lambda one: one.last_update_utc)
    if crl.next_update_utc is not None and crl.next_update_utc + CLOCK_SKEW < now:
        warnings = (*warnings, f"the CRL is out of date: its next one was due on {crl.next_update_utc}")
    return FoundCrl(crl, warnings)


def read_next_ca(data: bytes, *, trust: CaTrust, profile: SecurityProfile, now: datetime) -> NextCa:
    """Check the answer to a GetNextCACert (RFC 8894 4.7.1), which a CA of the trust, no RA, must have signed.

    Raises:
        MessageError: It is none, or was signed by somebody else.
        UntrustedCaError: There is not one new CA in it.
    """
    message = decode_signed_data(data)
    signer = find_signer(message, trust.certificates)
    trust.check_signer(signer)
    if not is_ca(signer):
        raise UntrustedSignerError(signer.subject.rfc4514_string(), "an RA, and only the CA may name its successor")
    check_content(message)
    warnings = digest_warnings(message.signature.digest, profile)
    if not message.content:
        raise DecodingError("the answer holds no next CA certificate")
    return NextCa(verify_next_ca_certificates(decode_certificates(message.content), trust, now), warnings)


def _content(
    data: bytes,
    request: PkiRequest,
    trust: CaTrust,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
) -> tuple[tuple[tuple[x509.Certificate, ...], tuple[x509.CertificateRevocationList, ...]], tuple[str, ...]] | Refused:
    checked = check_reply(data, request, trust=trust, profile=profile)
    if checked.status is PkiStatus.FAILURE:
        return refusal(checked.message.attributes)
    if checked.status is not PkiStatus.SUCCESS:
        raise PkiStatusError(checked.status)
    content, weak = open_reply(checked, key, signer_certificate, profile)
    try:
        return decode_degenerate(content), (*checked.warnings, *weak)
    except DecodingError:
        raise EnvelopeError from None


def _is_crl_of(crl: x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    if crl.issuer != ca.subject:
        return False
    try:
        public_key = ca.public_key()
        if not isinstance(public_key, rsa.RSAPublicKey):
            return False
        if crl.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_SHA1:
            public_key.verify(
                crl.signature,
                crl.tbs_certlist_bytes,
                padding.PKCS1v15(),
                hashes.SHA1(),  # noqa: S303  # CAs of the past signed so
            )
            return True
        return crl.is_signature_valid(public_key)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
