"""What else a CA is asked for: a certificate, a CRL (RFC 8894 3.3.4), its next certificates (4.7)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

from components.scep.errors import (
    CertificateNotFoundError,
    CrlError,
    DecodingError,
    EnvelopeError,
    OtherCrlError,
    PkiStatusError,
    UntrustedIssuerError,
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
from components.scep.trust import CLOCK_SKEW, CaTrust, fingerprint, is_ca, may_sign_crls, verify_next_ca_certificates

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from components.keystore import PrivateKey
    from components.scep.transaction.algorithms import SecurityProfile
    from components.scep.transaction.requests import PkiRequest

_RSA_WITH_SHA1: Final = SignatureAlgorithmOID.RSA_WITH_SHA1


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """The certificate that was asked for; it chains to the pinned CA, or to the one before it."""

    certificate: x509.Certificate
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundCrl:
    """The CRL that was asked for, signed for the issuer that was asked about."""

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
    earlier: tuple[CaTrust, ...] = (),
) -> FoundCertificate | Refused:
    """Check the reply to a GetCert as `read_reply` does, then find the certificate of that number in it.

    Args:
        data: The reply as it came.
        request: What it should be the reply to.
        trust: The present CA.
        profile: Which algorithms are accepted.
        key: The key that the request was signed with.
        signer_certificate: The certificate that it was signed with.
        serial_number: The number that was asked for.
        earlier: CAs that are trusted still, through the overlap of a rollover: they may answer, and have issued.

    Raises:
        MessageError: A check failed, or another certificate came.
    """
    content = _content(data, request, trust.and_signers_of(earlier), profile, key, signer_certificate)
    if isinstance(content, Refused):
        return content
    (certificates, _), warnings = content
    for certificate in certificates:
        if certificate.serial_number == serial_number:
            _check_issuer(certificate, trust, earlier)
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
    issuer: x509.Name,
    now: datetime,
    earlier: tuple[CaTrust, ...] = (),
) -> FoundCrl | Refused:
    """Check the reply to a GetCRL as `read_reply` does, then find the CRL of the issuer that was asked about in it.

    That is one of its name, signed by a CA of that name or by a certificate of that name that may sign CRLs. The
    CRL of any other CA says nothing of the certificates of this one. `issuer` is the name that the request has; the
    other arguments are as in `read_get_cert_reply`.

    Raises:
        MessageError: A check failed, or no such CRL came.
    """
    content = _content(data, request, trust.and_signers_of(earlier), profile, key, signer_certificate)
    if isinstance(content, Refused):
        return content
    (_, crls), warnings = content
    if not crls:
        raise CrlError("the server sent no CRL")
    named = [crl for crl in crls if crl.issuer == issuer]
    if not named:
        raise OtherCrlError(issuer.rfc4514_string(), tuple(crl.issuer.rfc4514_string() for crl in crls))
    for ca in (trust, *earlier):
        signed = [crl for crl in named if any(_is_crl_of(crl, one) for one in ca.certificates)]
        if signed:
            break
    else:
        raise CrlError(f"the CRL of {issuer.rfc4514_string()} was signed neither by it nor by one that may for it")
    crl = max(signed, key=lambda one: one.last_update_utc)
    if ca is not trust:
        anchor = f"{ca.anchor.subject.rfc4514_string()} (SHA-256 {fingerprint(ca.anchor)})"
        warnings = (*warnings, f"the CRL is that of the CA before the present one: {anchor}")
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
        return refusal(checked.message.attributes, is_inquiry=True)
    if checked.status is not PkiStatus.SUCCESS:
        raise PkiStatusError(checked.status)
    content, weak = open_reply(checked, key, signer_certificate, profile)
    try:
        return decode_degenerate(content), (*checked.warnings, *weak)
    except DecodingError:
        raise EnvelopeError from None


def _check_issuer(certificate: x509.Certificate, trust: CaTrust, earlier: tuple[CaTrust, ...]) -> None:
    for ca in earlier:
        with contextlib.suppress(UntrustedIssuerError):
            ca.chain_of(certificate)
            return
    trust.chain_of(certificate)


def _is_crl_of(crl: x509.CertificateRevocationList, signer: x509.Certificate) -> bool:
    if crl.issuer != signer.subject or not (is_ca(signer) or may_sign_crls(signer)):
        return False
    try:
        public_key = signer.public_key()
        if isinstance(public_key, rsa.RSAPublicKey) and crl.signature_algorithm_oid == _RSA_WITH_SHA1:
            public_key.verify(
                crl.signature,
                crl.tbs_certlist_bytes,
                padding.PKCS1v15(),
                hashes.SHA1(),  # noqa: S303  # CAs of the past signed so
            )
            return True
        # What key it is, is for the library to say: of a kind that signs no CRLs, it raises TypeError.
        return crl.is_signature_valid(public_key)  # type: ignore[arg-type]
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
