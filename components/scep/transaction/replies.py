"""The reply to a request for a certificate (RFC 8894 3.3.2): checked in every respect, then read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.scep.errors import (
    CaCertificateIssuedError,
    CertificateValidityError,
    DecodingError,
    EnvelopeError,
    MessageTypeError,
    NoCertificateForKeyError,
    NonceMismatchError,
    OldCertificateError,
    PkiStatusError,
    TransactionMismatchError,
)
from components.scep.message import (
    MessageType,
    PkiMessage,
    PkiStatus,
    check_content,
    decode_degenerate,
    decode_envelope,
    decode_pki_message,
    find_signer,
    load_certificate,
)
from components.scep.transaction.algorithms import SecurityProfile, cipher_warnings, digest_warnings
from components.scep.transaction.refusal import Refused, refusal
from components.scep.trust import CaTrust, has_public_key, is_ca, is_valid_at, subject_alternative_names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography import x509

    from components.keystore import PrivateKey, PublicKey
    from components.scep.transaction.requests import PkiRequest


@dataclass(frozen=True, slots=True)
class Issued:
    """The certificate came.

    Attributes:
        chain: The certificate first, then its issuers up to the pinned CA.
        warnings: What an operator should know of how it came.
    """

    chain: tuple[x509.Certificate, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """The CA has yet to decide."""

    warnings: tuple[str, ...] = ()


Reply = Issued | Pending | Refused


@dataclass(frozen=True, slots=True)
class CheckedReply:
    """A CertRep of which everything is checked that can be without opening it.

    Attributes:
        status: What came of the request.
        warnings: What an operator should know of how it came.
    """

    message: PkiMessage
    status: PkiStatus
    warnings: tuple[str, ...]


def read_reply(
    data: bytes,
    request: PkiRequest,
    *,
    trust: CaTrust,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    subject: x509.Name,
    now: datetime,
    public_key: PublicKey | None = None,
    replaces: x509.Certificate | None = None,
    alternative_names: Iterable[x509.GeneralName] = (),
    signers: Iterable[CaTrust] = (),
) -> Reply:
    """Check the reply to a PKCSReq, RenewalReq or CertPoll in every respect, then say what it says.

    Checked in this order before anything is used: signature, signer (of the pinned CA), digest, content type,
    transaction id, nonce, message type, status, digest algorithm; then recipient and cipher under the profile; then
    of the certificate: our key, not the old one, valid now, no CA, chained to the pinned CA. A subject other than
    requested, and an alternative name that is missing, are warnings.

    Args:
        data: The reply as it came.
        request: What it should be the reply to.
        trust: The pinned CA.
        profile: Which algorithms are accepted.
        key: The key that the request was signed with.
        signer_certificate: The certificate that it was signed with.
        subject: The subject that was asked for.
        now: The time, of which the certificate must be valid.
        public_key: The key to be certified, if it is another than `key`.
        replaces: At a renewal, the certificate that is to be replaced.
        alternative_names: The subject alternative names that were asked for.
        signers: Other CAs that are trusted still, through the overlap of a rollover: the server may answer as one of
            them, though the certificate must be of the pinned CA.

    Raises:
        MessageError: A check failed; each kind has its own subclass.
    """
    checked = check_reply(data, request, trust=trust.and_signers_of(signers), profile=profile)
    if checked.status is PkiStatus.PENDING:
        return Pending(checked.warnings)
    if checked.status is PkiStatus.FAILURE:
        return refusal(checked.message.attributes)
    content, weak = open_reply(checked, key, signer_certificate, profile)
    return _issued(
        _certificates(content),
        trust=trust,
        public_key=public_key or key.public_key,
        subject=subject,
        alternative_names=alternative_names,
        now=now,
        replaces=replaces,
        warnings=[*checked.warnings, *weak],
    )


def check_reply(data: bytes, request: PkiRequest, *, trust: CaTrust, profile: SecurityProfile) -> CheckedReply:
    """The checks of any CertRep, in the order that `read_reply` tells; MessageError if one fails."""
    message = decode_pki_message(data)
    trust.check_signer(find_signer(message, trust.certificates))
    check_content(message)
    attributes = message.attributes
    if attributes.transaction_id != request.transaction_id:
        raise TransactionMismatchError(request.transaction_id, attributes.transaction_id)
    if attributes.recipient_nonce != request.sender_nonce:
        raise NonceMismatchError(attributes.recipient_nonce)
    if attributes.message_type != MessageType.CERT_REP:
        raise MessageTypeError(attributes.message_type)
    if attributes.status is None or attributes.status not in PkiStatus.__members__.values():
        raise PkiStatusError(attributes.status)
    warnings = digest_warnings(message.signature.digest, profile)
    if message.signature.content_type is None:
        warnings = (*warnings, "the server's answer lacks the signed contentType that CMS requires (RFC 5652 5.3)")
    return CheckedReply(message, PkiStatus(attributes.status), warnings)


def open_reply(
    checked: CheckedReply, key: PrivateKey, certificate: x509.Certificate, profile: SecurityProfile
) -> tuple[bytes, tuple[str, ...]]:
    """What is in the envelope of a CertRep of status SUCCESS, and warnings of how it was encrypted."""
    sealed = decode_envelope(checked.message.content)
    warnings = cipher_warnings(sealed.cipher, profile)
    return sealed.open(key, certificate).content, warnings


def _certificates(content: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in an envelope. Rubbish in it is as if it had not opened: a padding may fit by chance."""
    try:
        return decode_degenerate(content)[0]
    except DecodingError:
        pass
    try:
        return (load_certificate(content),)
    except DecodingError:
        raise EnvelopeError from None


def _issued(
    certificates: tuple[x509.Certificate, ...],
    *,
    trust: CaTrust,
    public_key: PublicKey,
    subject: x509.Name,
    alternative_names: Iterable[x509.GeneralName],
    now: datetime,
    replaces: x509.Certificate | None,
    warnings: list[str],
) -> Issued:
    ours = [one for one in certificates if has_public_key(one, public_key)]
    if not ours:
        raise NoCertificateForKeyError(tuple(one.subject.rfc4514_string() for one in certificates))
    fresh = [one for one in ours if one != replaces]
    if not fresh:
        raise OldCertificateError(ours[0].serial_number)
    certificate = max(fresh, key=lambda one: one.not_valid_after_utc)
    if not is_valid_at(certificate, now):
        raise CertificateValidityError(certificate.not_valid_before_utc, certificate.not_valid_after_utc, now)
    if is_ca(certificate):
        raise CaCertificateIssuedError(certificate.subject.rfc4514_string())
    valid = [one for one in certificates if is_valid_at(one, now)]
    chain = CaTrust(trust.anchor, (*trust.certificates, *valid)).chain_of(certificate)
    if certificate.subject != subject:
        warnings.append(
            f"the CA issued the subject {certificate.subject.rfc4514_string()!r} "
            f"instead of {subject.rfc4514_string()!r}"
        )
    given = subject_alternative_names(certificate)
    missing = [str(name.value) for name in alternative_names if name not in given]
    if missing:
        warnings.append(f"the CA left out alternative names that were asked for: {', '.join(missing)}")
    if replaces is not None and certificate.not_valid_after_utc <= replaces.not_valid_after_utc:
        warnings.append(
            f"the renewed certificate ends on {certificate.not_valid_after_utc}, no later than the one before it"
        )
    return Issued(chain, tuple(warnings))
